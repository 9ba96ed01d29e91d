"""Options of ``protocol: file_drop``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sources.options.base import FeedOptions as Base
from sources.options.base import Pattern, Strict


class CasesOptions(Strict):
    """``options.cases`` of a feed: a zip with manifest and document of cases."""

    document: str = "cases.xml"
    record: str = "CASE"
    encoding: str = Field("gb18030", description="Of a document that declares none and is no UTF-8")
    nested: list[str] = Field(default_factory=list, description="Elements that may repeat, always a JSON list")
    attachment: str | None = Field(None, description="The element whose href names an entry")


class WorkbookOptions(Strict):
    """``options.workbook`` of a feed: sheets with a header row."""

    sheets: Pattern = Field(r"\d{4}-(?:0[1-9]|1[0-2])", description="Names of the sheets that are read")
    header_row: int = Field(3, ge=1)
    fill_down: list[str] = Field(default_factory=list, description="Columns whose merged cells count for each row")
    dates: list[str] = Field(default_factory=list, description="Columns whose numbers are serials")


class FeedOptions(Base):
    """``options`` of a feed."""

    files: Pattern = Field(description="Names of the files; groups `scope` and `order` say what replaces what")
    own: str = Field("*", description="Names that are this feed's, so that a misspelt one is told")
    folders: Pattern = Field(r"\d{8}", description="Names of the folders that hold them")
    complete: Literal["ok", "settled"] = Field(
        description="ok: once <name>.ok stands beside it; settled: size and time the same in two listings"
    )
    settle: float = Field(3, ge=0, le=300, description="Seconds between two listings of a run; 0: from run to run")
    content: Literal["cases", "workbook"]
    cases: CasesOptions = CasesOptions()
    workbook: WorkbookOptions = WorkbookOptions()

    @model_validator(mode="after")
    def _of_its_content(self) -> FeedOptions:
        for name in ("cases", "workbook"):
            if name != self.content and name in self.model_fields_set:
                raise ValueError(f"{name} stands beside content: {self.content}")
        return self
