"""What a report says, before it becomes HTML, Word or PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from serving.report.drawing import Drawing


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2  # 2 a section, 3 within one


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    tone: str = ""  # "", lead, soft, bad


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, a few words each; ``links``: name → its list, from the pages' root."""

    pairs: Sequence[tuple[str, str]]
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    drawing: Drawing
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """``widths``: shares of the page's width."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]


@dataclass(frozen=True, slots=True)
class Points:
    """A list of what is to be done, or the like."""

    texts: Sequence[str]


Block = Heading | Paragraph | Facts | Figure | Table | Points


@dataclass(slots=True)
class Report:
    """``name`` is the file's, without its ending."""

    name: str
    title: str
    subtitle: str
    as_of: date
    data_as_of: str = ""  # 数据截至, with the feeds that fail (serving/query/freshness.py)
    blocks: list[Block] = field(default_factory=list)

    def add(self, *blocks: Block) -> None:
        self.blocks.extend(blocks)


NOTE = (
    "本报告由一张图数据汇聚枢纽按判定日的统一库数据生成。“疑似，待核”的发现尚未经人确认，不作为认定结论；时限按国务院公布的节假日安排计算，"
    "标“暂估”者含尚未公布的日子；镇街界线仅供总览，坐标基准未经核对；个人信息已脱敏。"
)
