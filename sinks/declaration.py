"""The model of ``sinks/*.yaml``: a source turned round. Owner, connection, protocol, and outputs: entity, filter, columns, codes in
the receiver's own words.

Values of columns are declared as in mappings (``from``, ``const``, ``first_of``, ``concat``, ``map``, ``codes``, ``format``,
``default``), read the other way: from the hub's column to the receiver's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sources.declaration import Cron, Owner, Span
from sources.options.listing import Expression
from sources.options.rest import Auth, Basic

_ID = r"^[a-z][a-z0-9_]{0,39}$"
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,80}$")]
_FILE = r"^[\w.{}\-（）]{1,120}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Condition(_Strict):
    """A test of the hub's row, in the words of mappings: ``{from: state, one_of: [open]}``, ``all``, ``any``, ``not``."""

    from_: Name | None = Field(
        None, alias="from", description="The hub's column; case.x, project.x: of its case or project"
    )
    equals: str | int | bool | None = None
    one_of: list[str | int] | None = None
    contains: str | None = Field(None, description="Part of a text, or a member of a list")
    present: bool | None = None
    during: Literal["period"] | None = Field(
        None, description="The time lies in the period of the run (whole: month, day)"
    )
    all_: list[Condition] | None = Field(None, alias="all")
    any_: list[Condition] | None = Field(None, alias="any")
    not_: Condition | None = Field(None, alias="not")

    @model_validator(mode="after")
    def _one(self) -> Condition:
        tests = [t for t in (self.equals, self.one_of, self.contains, self.present, self.during) if t is not None]
        groups = [g for g in (self.all_, self.any_, self.not_) if g is not None]
        if (self.from_ is None) == (not groups) or len(groups) > 1 or len(tests) != (self.from_ is not None):
            raise ValueError(
                "is one test: from with one of equals, one_of, contains, present, during; or all, any, not"
            )
        return self

    def columns(self) -> set[str]:
        """Every column of the hub that it looks at."""
        found = {self.from_} if self.from_ else set()
        for one in (*(self.all_ or ()), *(self.any_ or ()), *((self.not_,) if self.not_ else ())):
            found |= one.columns()
        return found

    def periodic(self) -> bool:
        """Whether it asks for the period of the run."""
        return self.during is not None or any(
            one.periodic() for one in (*(self.all_ or ()), *(self.any_ or ()), *((self.not_,) if self.not_ else ()))
        )


class Cell(_Strict):
    """A column of the receiver's: one source of its value; then ``codes`` or ``map``; ``format``; ``default``."""

    from_: Name | None = Field(
        None, alias="from", description="The hub's column; case.x, project.x: of its case or project"
    )
    const: str | None = None
    first_of: list[Name] | None = None
    concat: list[Name] | None = None
    hub: Literal["row_id", "operation", "at", "batch"] | None = Field(
        None,
        description="row_id: the row's own, the same for ever; operation: I, U, D; at: when the batch was made; batch: its id",
    )
    separator: str = "|"
    codes: str | None = Field(
        None, description="A list of schemas/codes that leads to ours: the receiver's code of our value"
    )
    map_: dict[str, str | None] | None = Field(
        None, alias="map", description="Our value → the receiver's; another is rejected"
    )
    format: str | None = Field(None, description="Of a time, letters of Unicode TS 35")
    default: str | None = None
    required: bool = Field(False, description="A row without it is rejected before it is sent")
    length: int | None = Field(None, ge=1, description="A longer value rejects the row before it is sent")

    @model_validator(mode="after")
    def _one(self) -> Cell:
        given = [v for v in (self.from_, self.const, self.first_of, self.concat, self.hub) if v is not None]
        if len(given) != 1:
            raise ValueError("has one source: from, const, first_of, concat or hub")
        if self.codes and self.map_:
            raise ValueError("has codes or map, not both")
        return self

    def columns(self) -> list[str]:
        """The hub's columns that it reads."""
        return [self.from_] if self.from_ else [*(self.first_of or ()), *(self.concat or ())]


class DatabaseOutput(_Strict):
    """Of ``protocol: database``."""

    table: str = Field(pattern=r"^\w{1,63}$")
    schema_: str | None = Field(None, alias="schema", pattern=r"^\w{1,63}$")
    key: list[str] = Field(min_length=1, description="The receiver's columns that name a record")
    write: Literal["log", "upsert"] = Field(
        description="log: a row a change, nothing is overwritten (needs a column {hub: batch}); upsert: the row as it stands, by key"
    )


class RestOutput(_Strict):
    """Of ``protocol: rest``: POST of ``{"batch": …, "rows": […]}`` with an Idempotency-Key."""

    path: str = Field(description="Under the Connection's base")
    key: str = Field(description="The receiver's column that names a row in its answer")
    rejected: Expression = Field("rejected", description="JMESPath: the list of refused rows in the answer")
    rejected_key: str = Field("key", description="Field of the row's key in it")
    reason: str = Field("reason", description="Field of why")
    accepted: Expression = Field("accepted", description="JMESPath: the number of rows taken, or their list")


class SftpOutput(_Strict):
    """Of ``protocol: sftp``: a file, then its manifest (rows, SHA-256), each under a temporary name until it is whole."""

    file: str = Field(pattern=_FILE, description="Name without ending; {period}, {batch} and {output} are filled in")
    format: Literal["xlsx", "csv", "jsonl"] = "csv"
    title: str | None = Field(None, description="xlsx: the first line above the header")
    receipt: Literal["none", "file"] = Field(
        "none",
        description="file: <name>.receipt.json of the receiver says what was taken: {accepted: n, rejected: [{key, reason}]}",
    )
    key: str | None = Field(None, description="The receiver's column that names a row in its receipt")

    @model_validator(mode="after")
    def _named(self) -> SftpOutput:
        if self.receipt == "file" and not self.key:
            raise ValueError("receipt: file needs key, the column by which the receipt names rows")
        return self


class TopicOutput(_Strict):
    """Of ``protocol: mqtt``: one message a change, QoS 1; taken when the broker has acknowledged it."""

    topic: str = Field(description="Columns of the receiver's in braces are filled in: city/case/{project_no}")


class SinkOptions(_Strict):
    """Of the receiver as a whole."""

    auth: Auth = Field(Basic(), description="rest alone")
    headers: dict[str, str] = Field(default_factory=dict)


OptionsOf = DatabaseOutput | RestOutput | SftpOutput | TopicOutput
OPTIONS: dict[str, type[OptionsOf]] = {
    "database": DatabaseOutput,
    "rest": RestOutput,
    "sftp": SftpOutput,
    "mqtt": TopicOutput,
}


def _distinct(columns: dict[str, Any]) -> dict[str, Any]:
    if len({name.casefold() for name in columns}) < len(columns):
        raise ValueError("names a column twice")
    return columns


class Output(_Strict):
    """One kind of row that a receiver gets."""

    id: str = Field("", description="<sink>.<name>; set by the loader")
    name: str = Field(min_length=1, description="Chinese name, for people")
    entity: str = Field(description="A view of docs/data-dictionary.md")
    mode: Literal["changes", "whole"] = Field(
        "changes", description="changes: what is new, changed and gone; whole: all of it, once a period"
    )
    period: Literal["month", "day"] | None = Field(None, description="whole: the last full one before the run")
    where: Condition | None = None
    columns: Annotated[dict[str, str | Cell], AfterValidator(_distinct)] = Field(min_length=1)
    batch: int = Field(500, ge=1, le=1_000_000, description="Rows of one sending")
    options: dict[str, Any] = Field(description="Of the protocol: DatabaseOutput, RestOutput, SftpOutput, TopicOutput")

    @model_validator(mode="after")
    def _consistent(self) -> Output:
        if (self.mode == "whole") != (self.period is not None):
            raise ValueError("mode: whole has a period, mode: changes has none")
        if self.where and self.where.periodic() and self.mode != "whole":
            raise ValueError("during: period needs mode: whole")
        return self

    @property
    def cells(self) -> dict[str, Cell]:
        """The receiver's columns; a bare name copies."""
        return {
            name: Cell.model_validate({"from": cell}) if isinstance(cell, str) else cell
            for name, cell in self.columns.items()
        }


class Sink(_Strict):
    """One receiver."""

    sink: str = Field(pattern=_ID, description="Id, the file's name")
    name: str = Field(min_length=1, description="Chinese name, for people")
    owner: Owner = Field(description="Who receives")
    purpose: str = Field(min_length=1, description="Why, and on what ground: for whoever audits it")
    connection: str = Field(pattern=r"^[\w.-]+$", description="Airflow Connection id")
    protocol: Literal["database", "rest", "sftp", "mqtt"]
    trigger: Literal["schedule", "change"] = Field(
        "schedule", description="change: also after each unify and judgement"
    )
    schedule: Cron = Field(description="Cron, Asia/Shanghai")
    promise: Span = Field(timedelta(days=1), description="The age that what waits may not exceed")
    timeout: Span = timedelta(seconds=60)
    scopes: list[str] = Field(
        default_factory=list, description="read:personal, town:…, department:…: what the receiver may see"
    )
    options: SinkOptions = SinkOptions()
    outputs: dict[Annotated[str, Field(pattern=_ID)], Output] = Field(min_length=1)

    def options_of(self, output: Output) -> OptionsOf:
        """An output's options as its protocol's model. :raises pydantic.ValidationError: they are not."""
        return OPTIONS[self.protocol].model_validate(output.options)
