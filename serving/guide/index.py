"""Finding passages: BM25 over Chinese words, their letters by twos, and how they sound.

A passage is found by what it speaks of (its names) and by how people ask; its sentence counts once, so that a name in passing
does not outrank the item itself.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import bm25s
import jieba
from pypinyin import lazy_pinyin

from serving.guide.passages import Passage, topics

jieba.setLogLevel(logging.WARNING)
# What carries no matter of its own; a question of these alone asks for nothing.
STOP = frozenset(
    [
        "的",
        "了",
        "吗",
        "呢",
        "啊",
        "吧",
        "我",
        "你",
        "他",
        "它",
        "我们",
        "你们",
        "请",
        "请问",
        "想",
        "想问",
        "问",
        "下",
        "一下",
        "怎么",
        "怎样",
        "如何",
        "什么",
        "哪",
        "哪些",
        "哪个",
        "多少",
        "要",
        "需要",
        "需",
        "是",
        "有",
        "没有",
        "在",
        "到",
        "和",
        "与",
        "及",
        "或",
        "就",
        "都",
        "也",
        "还",
        "会",
        "能",
        "可以",
        "能不能",
        "应该",
        "应",
        "得",
        "办",
        "办理",
        "办事",
        "办好",
        "这个",
        "那个",
        "一个",
        "个",
        "项目",
        "企业",
        "公司",
        "东莞",
        "东莞市",
        "事项",
        "审批",
        "手续",
        "为",
        "对",
        "把",
        "被",
        "给",
        "让",
        "从",
        "向",
        "吗",
        "么",
        "嘛",
        "呀",
        "谢谢",
        "您好",
        "你好",
        "现在",
        "目前",
        "时候",
        "情况",
        "问题",
        "关于",
        "告诉",
        "知道",
        "说",
        "做",
        "去",
        "来",
        "上",
        "不",
    ]
)
_SPLIT = re.compile(r"[^0-9a-z\u4e00-\u9fff.-]+")
_HAN = re.compile(r"[\u4e00-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage, its score, and how much of the question it speaks of (0–1)."""

    passage: Passage
    score: float
    share: float


@cache
def _words() -> jieba.Tokenizer:
    """A tokenizer that knows the field's words."""
    tokenizer = jieba.Tokenizer()
    known = topics()
    for listed in (*known.names.values(), *known.asks.values(), *(t.asks for t in known.topics)):
        for word in listed:
            tokenizer.add_word(word)
    return tokenizer


def normal(text: str) -> str:
    """Half width, lower case: what is compared."""
    return unicodedata.normalize("NFKC", text).lower()


def terms(text: str) -> list[str]:
    """Words, pairs of letters, and for a question in letters alone its pinyin; stop words left out."""
    found: list[str] = []
    for part in _SPLIT.split(normal(text)):
        if not part:
            continue
        for word in _words().cut_for_search(part):
            if word not in STOP and (len(word) > 1 or not _HAN.fullmatch(word)):
                found.append(word)
        for run in _HAN.findall(part):
            found += [f"2:{run[i : i + 2]}" for i in range(len(run) - 1) if run[i : i + 2] not in STOP]
    return found


def _sounds(name: str) -> list[str]:
    letters = [s for s in lazy_pinyin("".join(_HAN.findall(normal(name))), v_to_u=False)]
    return ["".join(letters), "".join(s[0] for s in letters)] if len(letters) > 1 else []


class Index:
    """Passages, ready to be asked. Built once a catalogue; asking it writes nothing."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        documents = [self._document(p) for p in self.passages]
        self._seen = Counter(term for document in documents for term in set(document))
        self._model = bm25s.BM25(method="lucene", k1=1.2, b=0.4)
        self._model.index(documents or [["-"]], show_progress=False)
        self._sets = [frozenset(document) for document in documents]

    @staticmethod
    def _document(passage: Passage) -> list[str]:
        names = [term for name in passage.names for term in (*terms(name), *_sounds(name))]
        asked = [term for ask in passage.asks for term in terms(ask)]
        return [*names * 3, *asked * 2, *terms(passage.title), *terms(passage.text)]

    def search(self, question: str, most: int = 5) -> list[Hit]:
        """The best passages, best first. Empty: the question holds nothing that anything speaks of."""
        wanted = list(dict.fromkeys(terms(question)))
        known = [term for term in wanted if term in self._seen]
        if not known or not self.passages:
            return []
        found, scores = self._model.retrieve([known], k=min(most, len(self.passages)), show_progress=False)
        hits = []
        for place, score in zip(found[0].tolist(), scores[0].tolist(), strict=True):
            if score > 0:
                hits.append(Hit(self.passages[place], score, self._share(wanted, place)))
        return hits

    def _share(self, wanted: Iterable[str], place: int) -> float:
        """Of the question's weight, what the passage speaks of; a word that nobody knows weighs as a rare one."""
        total = held = 0.0
        for term in wanted:
            weight = 1.0 / (1.0 + self._seen.get(term, 0) / max(1, len(self.passages)) * 10)
            total += weight
            held += weight if term in self._sets[place] else 0.0
        return held / total if total else 0.0
