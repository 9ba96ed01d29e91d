"""An answer: sentences of what was found, each with its source; or that nothing was found.

Search alone decides what is said. A model, where a city connects one, words these sentences anew and nothing else
(:mod:`serving.guide.model`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.engine import Connection

from core import clock
from serving import rulebook
from serving.access import Grant, reading
from serving.cache import Cache
from serving.guide import model
from serving.guide.index import Hit, Index, named
from serving.guide.passages import Passage, Source, gather
from serving.query import projects

SHARE = 0.25  # of the question's weight that a passage must speak of, else nothing was found
FOREIGN = 0.4  # the same, where the question has words that are known nowhere
NEAR = 0.85  # of the best score, from which a second passage is told beside it
MOST = 3
CODE = re.compile(r"\d{4}-\d{6}-\d{2}-\d{2}-\d{6}")
UNKNOWN = "没有找到依据，无法回答。请换一种说法，或向代办员、12345 咨询。"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing said, and where it stands."""

    text: str
    source: Source


@dataclass(frozen=True, slots=True)
class Answer:
    """``found``: whether anything was; ``text``: as shown; ``worded_by``: search, or the model that worded it."""

    question: str
    found: bool
    text: str
    sentences: list[Sentence]
    related: list[str]
    worded_by: str = "search"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def _read(connection: Connection, day: str) -> Index:
    return Index(gather(connection, clock.today(), rulebook.names()))


_index = Cache(_read, most=2)


def index(asker: Grant) -> Index:
    """The passages in force today, ready to be asked."""
    return _index.of(asker, clock.today().isoformat())


def ask(asker: Grant, question: str, project: str | None = None) -> Answer:
    """Answer a question, of a project where its code is given or stands in the question and the asker may see it."""
    named = CODE.search(question)
    code = project or (named[0] if named else None)
    asked = CODE.sub(" ", question)
    sentences = _of_project(asker, code, asked) if code else []
    hits = index(asker).search(asked, 8)
    found = said(asked, hits)
    sentences += [Sentence(p.text, p.source) for p in found]
    if not sentences:
        return Answer(question, False, UNKNOWN, [], [hit.passage.title for hit in hits[:MOST]])
    worded = model.word(asked, [s.text for s in sentences])
    text = worded.text if worded else "\n".join(s.text for s in sentences)
    more = [hit.passage.title for hit in hits if hit.passage not in found]
    return Answer(question, True, text, sentences, more[:MOST], worded.by if worded else "search")


def said(question: str, hits: list[Hit]) -> list[Passage]:
    """Which of the hits are the answer: the best one if it speaks of the question, and others as good.

    It does where it is called by the question's words and covers enough of its weight, or where one of its names stands in the question,
    nearly at least.
    """
    if not hits:
        return []
    best = hits[0]
    spoken_of = best.called and best.share >= (FOREIGN if best.foreign else SHARE)
    if not spoken_of and not named(best.passage, question):
        return []
    return [best.passage, *(h.passage for h in hits[1:] if h.score >= NEAR * best.score and h.share >= best.share)][
        :MOST
    ]


def _of_project(asker: Grant, code: str, question: str) -> list[Sentence]:
    """Where the project stands, and the case of it that the question names; nothing where the asker may not see it."""
    with reading(asker) as connection:
        position = projects.position(connection, code)
    if position is None:
        return []
    link = f"/v1/projects/{code}/position"
    day = position["judged_on"] or ""
    sentences = [
        Sentence(f"项目 {code}：{position['summary']['zh']}", Source(f"一键定位（数据判定日 {day}）", "position", link))
    ]
    for case in position["running_cases"]:
        if not question.strip() or _names(case, question):
            sentences.append(
                Sentence(_case(case), Source(f"办件 {case['case_no']}", "case", f"/v1/cases/{case['id']}"))
            )
    return sentences[: 1 + MOST]


def _names(case: Mapping[str, Any], question: str) -> bool:
    name = case["item_name"] or ""
    return any(word in question for word in (case["case_no"], case["item_code"], name, name[:4]) if word)


def _case(case: Mapping[str, Any]) -> str:
    used = f"，已用 {case['used_promised']} 天" if case["used_promised"] is not None else ""
    due = f"，承诺到期 {case['due_promised']}" if case["due_promised"] else ""
    return (
        f"办件 {case['case_no']}（{case['item_name']}）由{case['department_name'] or '部门'}办理，"
        f"{case['acceptance_on']} 受理{used}{due}{'，暂停中' if case['paused'] else ''}。"
    )
