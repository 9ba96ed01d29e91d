"""Judge projects, or the whole city, as of a day: facts → standing → findings, with who must answer for each.

Reads the unified store and writes nothing; :mod:`supervision.ledger` keeps what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection

from core.errors import InternalError
from quality.silence.episode import Watched
from schemas import channels
from schemas.departments import register
from sources import loader
from store.copying import Schema
from supervision import completeness, discovery, expected, facts, read, rulebook, silence
from supervision.calendar import Calendar
from supervision.declaration import Needs, Routing, Rulebook
from supervision.expected import Standing
from supervision.facts import Facts
from supervision.findings import FOUND, Context
from supervision.read import Frames
from supervision.rule import Check

CHUNK = 1000  # projects judged at once: memory does not grow with the city

#: Of what was not heard of, and since when: no order comes of it yet.
UNSEEN = "；未见特别程序申请，该表（{}）自 {} 起无数据，待其报送后再派单"

#: What a rule found, with its code and the key under which completeness.yaml knows what it needs.
SUSPECTED: Schema = {"rule": pl.String, "needs": pl.String, **FOUND}


@dataclass(frozen=True, slots=True)
class Judged:
    """``findings``: rule, :data:`FOUND`, severity, department_code, department_name, waits_for (feeds; empty: judged),
    silent_since (where one of those is silent), unseen (feeds of which more must be heard before it is acted on).
    ``watched``: what is silent."""

    as_of: date
    facts: Facts
    standing: Standing
    findings: pl.DataFrame
    watched: Watched


def _as_it_is(frames: Frames) -> Frames:
    return frames


@dataclass(frozen=True, slots=True)
class Rules:
    """A folder of rules, read. ``amend``: what is to be supposed of the store beside them; as it is, unless somebody asks what if."""

    book: Rulebook
    needs: Needs
    routing: Routing
    calendar: Calendar
    amend: Callable[[Frames], Frames] = _as_it_is


def rules(folder: Path = rulebook.FOLDER) -> Rules:
    """:raises ConfigurationError: something in the folder is wrong, with file and line."""
    return Rules(rulebook.load(folder), rulebook.needs(folder), rulebook.routing(folder), rulebook.calendar(folder))


def context(connection: Connection, as_of: date, by: Rules) -> Context:
    """Everything known of the scope (:func:`supervision.read.set_scope`) as of a day."""
    calendar = by.calendar
    frames = by.amend(read.frames(connection))
    known = facts.gather(frames, as_of, calendar, by.book.clock)
    standing = expected.stand(frames.projects, known)
    cut_off = expected.cut_off(frames.projects, by.book.supervision_start)
    cases = known.cases.rename({"item_name": "item_name_written"}).with_columns(
        pl.col("receipt_at").dt.date().alias("_received_on")
    )
    cases = facts.in_force(
        cases.rename({"department_code": "handler_code", "department_name": "handler_name"}),
        known.items,
        "_received_on",
        ["item_name", "case_channel", "multiple"],
    )
    cases = cases.with_columns(pl.coalesce("item_name", "item_name_written").alias("item_name")).join(
        cut_off, on="project_code", how="left", maintain_order="left"
    )
    return Context(
        as_of,
        by.book,
        by.needs,
        by.routing,
        calendar,
        frames,
        known,
        standing,
        cases,
        cut_off,
        connection,
    )


def judge(
    connection: Connection,
    as_of: date,
    projects: Iterable[str] | None = None,
    by: Rules | None = None,
    watched: Watched | None = None,
) -> Judged:
    """All findings of the projects (None: the whole city, at once), whether they may be judged yet or wait for data.

    ``watched``: what is silent, where the caller has looked already.
    """
    by = by or rules()
    watched = watched or silence.look(connection, as_of, by.calendar)
    read.set_scope(connection, projects)
    given = context(connection, as_of, by)
    parts = [_suspected(given, check) for check in discovery.checks().values() if check.rule in by.book.by_name]
    found = pl.concat(parts) if parts else pl.DataFrame(schema=SUSPECTED)
    feeds = [feed.id for source in loader.load_all().values() for feed in source.feeds.values()]
    gaps = completeness.holes(connection, feeds, as_of, by.book.completeness.hole_reported_after_days)
    gaps = pl.concat([gaps, completeness.silences(watched, feeds)])
    by_channel = pl.DataFrame(
        list(channels.by_feed(feeds).items()), schema={"feed": pl.String, "channel": pl.String}, orient="row"
    )
    heard = completeness.edges(watched)
    findings = _waiting(given, gaps, heard, by_channel, _routed(given, _answerable(given, found)))
    cases = silence.lights(given.facts.cases, gaps, by_channel, given.frames.projects, as_of)
    known = replace(given.facts, cases=silence.unproven(cases, findings))
    return Judged(as_of, known, given.standing, findings, watched)


def _suspected(c: Context, check: Check) -> pl.DataFrame:
    """What one function of a rule found.

    :raises InternalError: it concludes from absence and is not registered with ``waits``: it would be judged on half the data.
    """
    found = check.function(c, c.rules[check.rule])
    if not check.waits and found["since"].null_count() < found.height:
        raise InternalError(
            f"{check.where} gives `since`, and the rule {check.key} is not registered with waits=True",
            remedy=f"register it so, and say in completeness.yaml under {check.key} which feeds it needs",
            zh=f"规则 {check.key} 从“没有”得出结论，却未登记 waits=True。",
        )
    return found.select(pl.lit(check.rule).alias("rule"), pl.lit(check.key).alias("needs"), *FOUND)


def chunks(connection: Connection, projects: Iterable[str] | None = None, size: int = CHUNK) -> Iterator[list[str]]:
    """Projects (None: the whole city), some at a time; one empty chunk where there are none."""
    listed = read.city(connection) if projects is None else sorted(projects)
    for start in range(0, max(len(listed), 1), size):
        yield listed[start : start + size]


def in_chunks(
    connection: Connection,
    as_of: date,
    projects: Iterable[str] | None = None,
    by: Rules | None = None,
    size: int = CHUNK,
    *,
    watched: Watched | None = None,
) -> Iterator[Judged]:
    """The same as :func:`judge`, some projects at a time; while a part is looked at, ``scope`` is its projects."""
    by = by or rules()
    watched = watched or silence.look(connection, as_of, by.calendar)
    for chunk in chunks(connection, projects, size):
        yield judge(connection, as_of, chunk, by, watched)


def _waiting(
    c: Context, gaps: pl.DataFrame, heard: pl.DataFrame, by_channel: pl.DataFrame, found: pl.DataFrame
) -> pl.DataFrame:
    """A feed that is declared and was never read in full is a hole like any other."""
    cases = (
        c.cases.select(pl.format("case {}", "case_id").alias("ref"), "channel")
        .join(by_channel, on="channel")
        .select("ref", "feed")
    )
    documents = c.frames.licences.select(pl.format("licence {}", "licence_id").alias("ref"), "feed")
    touches = silence.touches(found, c.cases, c.frames.projects, c.standing.items)
    judged = completeness.waiting(found, gaps, heard, c.needs, pl.concat([cases, documents]), touches, c.as_of)
    seldom = pl.format(UNSEEN, pl.col("unseen").list.join("、"), pl.col("unseen_since").dt.strftime("%Y-%m-%d %H:%M"))
    return judged.with_columns(
        pl.when(pl.col("unseen").list.len() > 0).then(pl.concat_str("text", seldom)).otherwise("text").alias("text")
    )


def _routed(c: Context, found: pl.DataFrame) -> pl.DataFrame:
    """The city's own routing over the catalogue's: the first override that fits, in the order of routing.yaml."""
    if not c.routing.overrides and not c.routing.otherwise:
        return found
    to: Any = pl.when(False).then(pl.lit(None, pl.String))
    for override in c.routing.overrides:
        fits = pl.lit(True)
        for column, wanted in (
            ("rule", override.rule),
            ("item_code", override.item),
            ("_town", override.town),
            ("department_code", override.department),
        ):
            if wanted is not None:
                fits &= (pl.col(column) == wanted).fill_null(False)
        to = to.when(fits).then(pl.lit(override.to))
    to = to.when(pl.col("department_code").is_null()).then(pl.lit(c.routing.otherwise, pl.String)).otherwise(None)
    names = register().select(pl.col("code").alias("_to"), pl.col("name").alias("_to_name"))
    towns = c.frames.projects.select("project_code", pl.col("town_code").alias("_town"))
    return (
        found.join(towns, on="project_code", how="left", maintain_order="left")
        .with_columns(to.alias("_to"))
        .join(names, on="_to", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("_to", "department_code").alias("department_code"),
            pl.when(pl.col("_to").is_not_null())
            .then(pl.coalesce("_to_name", "_to"))
            .otherwise(pl.col("department_name"))
            .alias("department_name"),
        )
        .drop("_to", "_to_name", "_town")
    )


def _answerable(c: Context, found: pl.DataFrame) -> pl.DataFrame:
    """Severity by rule and level; the department in charge (rules.md, "The responsible department")."""
    severities = [
        (code, level, severity)
        for code, declared in c.rules.by_name.items()
        for level, severity in ([("", declared.severity)] if isinstance(declared.severity, int) else declared.severity)
    ]
    table = pl.DataFrame(severities, schema={"rule": pl.String, "level_": pl.String, "severity": pl.Int8}, orient="row")
    found = found.with_columns(pl.col("level").fill_null("").alias("level_")).join(
        table, on=["rule", "level_"], how="left", maintain_order="left"
    )

    lead = (
        c.facts.items.sort("valid_from")
        .group_by("item_code")
        .agg(
            pl.col("department_code").last().alias("lead_code"),
            pl.col("department").last().alias("lead_name"),
            pl.col("departments").last(),
        )
    )
    listed = register()
    towns = listed.filter(pl.col("kind") == "镇街")
    by_name = listed.select(
        pl.col("name").alias("handler_name"), pl.col("code").alias("_named")
    )  # spreadsheets name, not code
    handled = (
        c.cases.select("case_id", "handler_code", "handler_name")
        .join(by_name, on="handler_name", how="left")
        .with_columns(pl.coalesce("handler_code", "_named").alias("handler_code"))
    )
    of_project = c.frames.projects.select("project_code", pl.col("town_code").alias("project_town"))
    office = towns.select("town_code", pl.col("code").alias("office_code"), pl.col("name").alias("office_name"))
    by_code = listed.select(pl.col("code").alias("handler_code"), pl.col("name").alias("full_name"))
    rows = (
        found.join(lead, on="item_code", how="left", maintain_order="left")
        .join(handled, on="case_id", how="left", maintain_order="left")
        .join(of_project, on="project_code", how="left", maintain_order="left")
        .join(office, left_on="project_town", right_on="town_code", how="left", maintain_order="left")
        .join(by_code, on="handler_code", how="left", maintain_order="left")
    )
    to_town = (
        pl.col("handler_code").is_in(towns["code"].implode()).fill_null(False)
        & pl.col("departments").str.contains("镇街").fill_null(False)
        & pl.col("office_code").is_not_null()
    )
    return rows.select(
        *SUSPECTED,
        "severity",
        pl.when(to_town)
        .then(pl.col("office_code"))
        .otherwise(pl.coalesce("lead_code", "handler_code"))
        .alias("department_code"),
        pl.when(to_town)
        .then(pl.col("office_name"))
        .otherwise(pl.coalesce("lead_name", "full_name", "handler_name"))
        .alias("department_name"),
    )
