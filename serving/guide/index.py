"""Finding passages: BM25 over Chinese words, their letters by twos, and their syllables by twos.

A passage is found by what it speaks of (its names) and by how people ask; its sentence counts once, so that a name in passing
does not outrank the item itself. Syllables find what is typed in pinyin, with blanks or without, and a letter that sounds like the right
one. Of the passages of one item, the side that is asked for comes first.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

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


WIDE = 24  # passages that are looked at before the sides of an item are put in order


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage, its score, how much of the question it speaks of (0–1), and whether it is called by a word of the question's;
    ``foreign``: words of the question that no passage knows."""

    passage: Passage
    score: float
    share: float
    called: bool
    foreign: int


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


@cache
def _syllables() -> frozenset[str]:
    """Every syllable of pinyin, without tones."""
    return frozenset(s for s in lazy_pinyin("".join(map(chr, range(0x4E00, 0x9FA6))), v_to_u=False) if s.isascii())


@lru_cache(maxsize=4096)
def _read(letters: str) -> tuple[str, ...]:
    """Letters as syllables, the fewest; empty: they are none."""
    best: list[tuple[str, ...] | None] = [(), *([None] * len(letters))]
    for end in range(1, len(letters) + 1):
        for begin in range(max(0, end - 6), end):
            before, last = best[begin], letters[begin:end]
            if (
                before is not None
                and last in _syllables()
                and (best[end] is None or len(before) + 1 < len(best[end] or ()))
            ):
                best[end] = (*before, last)
    return best[-1] or ()


def _spoken(text: str) -> list[list[tuple[str, bool]]]:
    """Runs of syllables, and whether each is typed in Latin letters; what stands between parts them, but for blanks between Latin ones."""
    runs: list[list[tuple[str, bool]]] = [[]]
    latin = False
    for part in re.findall(r"[\u4e00-\u9fff]+|[a-z]+|\s+|[^\s]", normal(text)):
        if part.isspace():
            if not latin:
                runs.append([])
            continue
        found = lazy_pinyin(part, v_to_u=False) if _HAN.fullmatch(part) else list(_read(part)) if part.isalpha() else []
        latin = part.isascii()
        if found:
            runs[-1] += [(syllable, latin) for syllable in found]
        else:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def sounds(text: str, *, typed: bool = False) -> list[str]:
    """Pairs of syllables that follow each other; those of stop words left out. ``typed``: of Latin letters alone."""
    pairs = (pair for run in _spoken(text) for pair in pairwise(run))
    return [
        f"p:{a}{b}" for (a, latin), (b, too) in pairs if (a, b) not in _stopped() and (not typed or (latin and too))
    ]


@cache
def _stopped() -> frozenset[tuple[str, str]]:
    return frozenset(pair for word in STOP for pair in pairwise(lazy_pinyin(word, v_to_u=False)))


def terms(text: str) -> list[str]:
    """Words, and pairs of letters and of syllables; stop words left out."""
    found: list[str] = sounds(text)
    for part in _SPLIT.split(normal(text)):
        if not part:
            continue
        for word in _words().cut_for_search(part):
            if (
                word not in STOP
                and (len(word) > 1 or not _HAN.fullmatch(word))
                and not (word.isalpha() and word.isascii() and _read(word))
            ):
                found.append(word)
        for run in _HAN.findall(part):
            found += [f"2:{run[i : i + 2]}" for i in range(len(run) - 1) if run[i : i + 2] not in STOP]
    return found


def _initials(name: str) -> list[str]:
    letters = [s for s in lazy_pinyin("".join(_HAN.findall(normal(name))), v_to_u=False)]
    return ["".join(s[0] for s in letters)] if len(letters) > 1 else []


class Index:
    """Passages, ready to be asked. Built once a catalogue; asking it writes nothing."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        documents = [self._document(p) for p in self.passages]
        self._seen = Counter(term for document in documents for term in set(document))
        self._model = bm25s.BM25(method="lucene", k1=1.2, b=0.4)
        self._model.index(documents or [["-"]], show_progress=False)
        self._sets = [frozenset(document) for document in documents]
        self._called = [
            frozenset(term for name in (*p.names, *(p.asks if p.id == _about(p) else ())) for term in terms(name))
            for p in self.passages
        ]
        self._asked = [frozenset(term for ask in p.asks for term in terms(ask)) for p in self.passages]

    @staticmethod
    def _document(passage: Passage) -> list[str]:
        names = [term for name in passage.names for term in (*terms(name), *_initials(name))]
        asked = [term for ask in passage.asks for term in terms(ask)]
        return [*names * 3, *asked * 2, *terms(passage.title), *terms(passage.text)]

    def search(self, question: str, most: int = 5) -> list[Hit]:
        """The best passages, best first. Empty: the question holds nothing that anything speaks of."""
        wanted = list(dict.fromkeys(terms(question)))
        known = [term for term in wanted if term in self._seen]
        if not known or not self.passages:
            return []
        found, scores = self._model.retrieve([known], k=min(max(most, WIDE), len(self.passages)), show_progress=False)
        places = [
            (place, score) for place, score in zip(found[0].tolist(), scores[0].tolist(), strict=True) if score > 0
        ]
        # the item by its best passage; of its passages the side that is asked for, then the better one
        best: dict[str, float] = {}
        for place, score in places:
            best.setdefault(_about(self.passages[place]), score)
        text = normal(question)
        side = {place: self._side(place, text, wanted) for place, _ in places}
        places.sort(key=lambda p: (-best[_about(self.passages[p[0]])], _about(self.passages[p[0]]), -side[p[0]], -p[1]))
        # of Chinese letters the syllables repeat what the letters say: they find, and do not prove
        proof = [term for term in wanted if not term.startswith("p:")] + list(
            dict.fromkeys(sounds(question, typed=True))
        )
        foreign = sum(term not in self._seen for term in proof if not term.startswith(("2:", "p:")))
        return [
            Hit(
                self.passages[place],
                score,
                self._share(proof, place),
                any(term in self._called[place] for term in proof),
                foreign,
            )
            for place, score in places[:most]
        ]

    def _side(self, place: int, text: str, wanted: Iterable[str]) -> float:
        """How much the question asks for this side of its item: by ways of asking that stand in it, the letters that they cover;
        then by what it shares with them."""
        covered = {
            at
            for ask in self.passages[place].asks
            for found in re.finditer(re.escape(ask), text)
            for at in range(*found.span())
        }
        # "… 是什么" ends a question of any side: what asks for another side goes before it
        weight = 0.5 if self.passages[place].id.endswith("/about") else 1.0
        return weight * len(covered) + self._weight(term for term in wanted if term in self._asked[place])

    def _weight(self, of: Iterable[str]) -> float:
        return sum(1.0 / (1.0 + self._seen.get(term, 0) / max(1, len(self.passages)) * 10) for term in of)

    def _share(self, wanted: Iterable[str], place: int) -> float:
        """Of the question's weight, what the passage speaks of; a word that nobody knows weighs as a rare one."""
        wanted = list(wanted)
        total = self._weight(wanted)
        return self._weight(term for term in wanted if term in self._sets[place]) / total if total else 0.0


def named(passage: Passage, question: str) -> bool:
    """Whether one of the passage's names stands in the question: whole, or all but one of its letters in their order, two of them
    together (挖开市政道路: 挖掘道路)."""
    text = normal(question)
    return any(len(name) > 1 and (name in text or _nearly(name, text)) for name in map(normal, passage.names))


def _nearly(name: str, text: str) -> bool:
    if len(name) < 3 or not _HAN.fullmatch(name) or not any(name[i : i + 2] in text for i in range(len(name) - 1)):
        return False
    return (
        any(_within(name[:i] + name[i + 1 :], text) for i in range(len(name))) if len(name) > 3 else _within(name, text)
    )


def _within(letters: str, text: str) -> bool:
    """All of the letters, in their order."""
    rest = iter(text)
    return all(letter in rest for letter in letters)


def _about(passage: Passage) -> str:
    """What a passage is a side of: its item, else itself."""
    subject, _, _ = passage.id.partition("/")
    return passage.id if subject in ("topic", "rule") else subject
