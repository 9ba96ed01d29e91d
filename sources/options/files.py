"""Options of ``protocol: file_drop``: files from SFTP, FTP, HTTP, a local folder or any fsspec store."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sources.options.base import Crs, Degrees, Names, Pattern, Strict, Text
from sources.options.base import FeedOptions as Base
from sources.options.database import Charset
from sources.options.listing import Path, RowShape


class CasesOptions(Strict):
    """``content: cases``: a zip with manifest and document of cases."""

    document: str = "cases.xml"
    record: str = "CASE"
    encoding: str = Field("gb18030", description="Of a document that declares none and is no UTF-8")
    nested: list[str] = Field(default_factory=list, description="Elements that may repeat, always a JSON list")
    attachment: str | None = Field(None, description="The element whose href names an entry")


class WorkbookOptions(Strict):
    """``content: workbook``: sheets with a header row."""

    sheets: Pattern = Field(r"\d{4}-(?:0[1-9]|1[0-2])", description="Names of the sheets that are read")
    header_row: int = Field(3, ge=1, description="Row of the names, the first of them where they take several")
    header_rows: int = Field(
        1,
        ge=1,
        le=5,
        description="Rows that the names take: a name over several columns stands before each, 建设规模_总投资",
    )
    fill_down: list[str] = Field(default_factory=list, description="Columns whose merged cells count for each row")
    dates: list[str] = Field(default_factory=list, description="Columns whose numbers are serials")


class TableOptions(Strict):
    """``content: table``: delimited text."""

    charset: Charset | None = Field(None, description="Default: by evidence, UTF-8 or GB 18030 mostly")
    delimiter: str = Field(",", min_length=1, max_length=1)
    quote: str | None = Field('"', min_length=1, max_length=1, description="null: no value is quoted")
    header_row: int | None = Field(1, ge=1, description="Line of the names; null: there is none, see columns")
    columns: Names = Field(default_factory=list, description="Names of the columns, instead of the header's")
    footer: int = Field(0, ge=0, le=1000, description="Rows at the end that are none")

    @model_validator(mode="after")
    def _named(self) -> TableOptions:
        if self.header_row is None and not self.columns:
            raise ValueError("header_row is null, so columns has to name the columns")
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote are the same")
        return self


class JsonOptions(RowShape):
    """``content: json``: a document with a list of records."""

    rows: Path = Field("@", description="Where the list stands; `@` where the document is the list itself")


class XmlOptions(Strict):
    """``content: xml``: a document with elements of one name."""

    record: Text = Field(description="Local name of a record's element, at whatever depth")
    nested: list[str] = Field(default_factory=list, description="Elements that may repeat, always a JSON list")
    charset: Charset | None = Field(None, description="Of a document that declares none and is no UTF-8")


class VectorOptions(Strict):
    """``content: vector``: GeoPackage, shapefile (zipped too), DBF, GeoJSON, KML: what GDAL reads."""

    layer: str | None = Field(None, description="Default: the only one")
    crs: Crs | None = Field(
        None, description="Coordinate reference that the file lacks, or says wrongly: whatever PROJ knows"
    )
    charset: Charset | None = Field(None, description="Of a DBF that does not say it")
    window: Degrees | None = Field(
        None,
        description="West, south, east, north in degrees in which geometries are plausible; default: Dongguan",
    )


class Skip(Strict):
    """Rows that are none, such as sums (合计): those whose column matches."""

    column: Text
    matches: Pattern = Field(description="A regular expression for the whole value, blanks aside")


_CONTENTS = ("cases", "workbook", "table", "json", "xml", "vector")


class FeedOptions(Base):
    """``options`` of a feed."""

    files: Pattern = Field(description="Names of the files; groups `scope` and `order` say what replaces what")
    own: str = Field("*", description="Names that are this feed's, so that a misspelt one is reported")
    folders: Pattern | None = Field(r"\d{8}", description="Names of the folders that hold them; null: the root itself")
    complete: Literal["ok", "settled", "listed"] = Field(
        description="ok: once <name>.ok stands beside it; settled: size and time the same in two listings; listed: at once"
    )
    settle: float = Field(3, ge=0, le=300, description="Seconds between two listings of a run; 0: from run to run")
    content: Literal["cases", "workbook", "table", "jsonl", "json", "xml", "parquet", "vector"]
    entry: Pattern | None = Field(None, description="The file is a zip: names of its entries that are read")
    replaces: Literal["file", "sheet", "none"] | None = Field(
        None,
        description="What a file stands for wholly, so that rows of it that came before and are not in it are gone: "
        "file (the `scope` of its name, else its name), sheet (each sheet's name), none (rows are only added and changed)",
    )
    skip: list[Skip] = Field(default_factory=list)
    cases: CasesOptions = CasesOptions()
    workbook: WorkbookOptions = WorkbookOptions()
    table: TableOptions = TableOptions()
    json_: JsonOptions = Field(JsonOptions(), alias="json")
    xml: XmlOptions | None = None
    vector: VectorOptions = VectorOptions()

    @model_validator(mode="after")
    def _of_its_content(self) -> FeedOptions:
        given = {name.rstrip("_") for name in self.model_fields_set}
        for name in _CONTENTS:
            if name != self.content and name in given:
                raise ValueError(f"{name} stands beside content: {self.content}")
        if self.content == "xml" and self.xml is None:
            raise ValueError("content: xml needs xml: {record: …}")
        if self.content == "cases":
            if self.replaces not in (None, "file"):
                raise ValueError("a file of cases always replaces what its scope brought before")
        elif self.replaces is None:
            raise ValueError("replaces is missing: file, sheet or none; a wrong scope takes rows of other files away")
        elif self.replaces == "sheet" and self.content != "workbook":
            raise ValueError(f"replaces: sheet is of workbooks, not of {self.content}")
        return self
