"""A feed's mapping as it is declared; what has drifted, and a person's word on it; what the mapping would change of what is stored, and
the replay once that has been seen."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from core.errors import ConfigurationError, OneMapError
from core.settings import ROOT
from pipeline import remap, shape, unify
from pipeline.onboard import accept
from serving import audit
from serving.pages.answering import HEADERS, logged, rendered
from serving.pages.decisions import Decider
from serving.pages.operations import Operator
from serving.report import dossier
from serving.sql.views import views
from sources import loader
from store import tables
from store.engine import transaction

router = APIRouter(prefix="/ops")
MOST = 200_000  # records that are mapped anew while a page waits; more belong to the command line
Note = Annotated[str, Form(min_length=1, max_length=300)]
_WORDS = "select code, field, verdict, by, note, at from serving.drift_decision where feed = :feed order by at desc limit 100"


@router.get("/mapping/{feed}", response_class=HTMLResponse)
def page(request: Request, feed: str, who: Operator) -> Response:
    """The mapping as it is declared; a line that fills a column is found as ``#<entity>.<column>``."""
    return _page(request, who, feed)


def _page(request: Request, who: Any, feed: str, **more: Any) -> Response:
    if feed not in dossier.feeds():
        raise HTTPException(404, f"没有数据项 {feed}。")
    path = f"mappings/{loader.feed(feed).mapping}.yaml"
    lines = _anchored((ROOT / path).read_text(encoding="utf-8").splitlines())
    with transaction() as connection:
        words = [dict(row) for row in connection.execute(sa.text(_WORDS), {"feed": feed}).mappings()]
        records = connection.execute(
            sa.text("select count(*) from source.record where feed = :feed and tombstoned_at is null"), {"feed": feed}
        ).scalar_one()
    stated = {(word["code"], word["field"]) for word in words}
    answer = rendered(
        "mapping.html.j2",
        request,
        feed=feed,
        title=dossier.feeds()[feed],
        path=path,
        lines=lines,
        drift=[{**one, "said": (one["code"], one["field"] or "") in stated} for one in shape.timeline(feed)],
        words=words,
        records=records,
        most=MOST,
        decides=who.decides,
        targets=accept.targets(feed),
        **{"diff": None, **more},
    )
    return logged(request, who, answer, len(lines))


@router.post("/mapping/{feed}/diff", response_class=HTMLResponse)
def diff(request: Request, feed: str, who: Decider) -> Response:
    """Map the feed anew from the archive and show what would change; nothing is written."""
    found = _run(feed, apply=False)
    return _page(request, who, feed, base="../../../", diff=found)


@router.post("/mapping/{feed}/replay")
def replay(
    feed: str, who: Decider, version: Annotated[int, Form()], changes: Annotated[int, Form()], note: Note
) -> Response:
    """Store it, once its difference was seen. :raises HTTPException: the mapping or the difference is another by now."""
    seen = _run(feed, apply=False)
    if (seen.mapping_version, _changes(seen)) != (version, changes):
        raise HTTPException(409, "映射或数据已变，请重新比较差异后再重放。")
    done = _run(feed, apply=True)
    unify.run()
    audit.append(
        who.actor,
        "decide",
        f"mapping {feed}",
        {"verdict": "replayed", "note": audit.scrub(note), "changes": _changes(done)},
    )
    return RedirectResponse(f"../{feed}", 303, headers=HEADERS)


@router.post("/mapping/{feed}/drift")
def word(
    feed: str,
    who: Decider,
    code: Annotated[str, Form(max_length=60)],
    verdict: Annotated[Literal["adopted", "declined"], Form()],
    note: Note,
    field: Annotated[str, Form(max_length=200)] = "",
    target: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Say of a drift that the mapping has it, or shall not; its incident ends. A new column is taken into the declarations, into
    ``target`` or among those that are not used."""
    if not any((one["code"], one["field"] or "") == (code, field) for one in shape.timeline(feed)):
        raise HTTPException(404, "没有这条结构变化。")
    if code == "unknown_column" and (target or verdict == "declined"):
        note = f"{note}（{_accepted(feed, field, target or None)}）"
    with transaction() as connection:
        connection.execute(
            sa.text(
                "insert into serving.drift_decision (feed, code, field, verdict, by, note) values (:feed, :code, :field, :verdict, :by, :note)"
            ),
            {"feed": feed, "code": code, "field": field, "verdict": verdict, "by": who.actor, "note": note},
        )
    audit.append(who.actor, "decide", f"drift {feed} {code} {field}", {"verdict": verdict, "note": audit.scrub(note)})
    return RedirectResponse(f"../{feed}#drift", 303, headers=HEADERS)


def _accepted(feed: str, field: str, target: str | None) -> str:
    """What was done with a new column, in words."""
    try:
        done = accept.accept(feed, field, target)
    except ConfigurationError as failed:
        raise HTTPException(409, failed.zh) from failed
    what = f"{field} → {target}" if target else f"{field} 不使用"
    return (
        f"{what}，已写入 {'、'.join(map(str, done.files))}"
        if done.command is None
        else f"{what}，待执行 {done.command}"
    )


def _changes(found: remap.Diff) -> int:
    return found.new + found.changed + found.gone


def _run(feed: str, *, apply: bool) -> remap.Diff:
    if feed not in dossier.feeds():
        raise HTTPException(404, f"没有数据项 {feed}。")
    with transaction() as connection:
        count = connection.execute(
            sa.text("select count(*) from source.record where feed = :feed"), {"feed": feed}
        ).scalar_one()
    if count > MOST:
        raise HTTPException(
            409, f"该数据项有 {count:,} 条记录，请用命令行：onemap mapping {'replay' if apply else 'diff'} {feed}。"
        )
    try:
        return remap.run(feed, apply=apply)
    except OneMapError as failed:
        raise HTTPException(503, failed.zh) from failed


def _anchored(lines: list[str]) -> list[tuple[str | None, str]]:
    """(anchor, line): the first line that fills a column of an entity has one."""
    result: list[tuple[str | None, str]] = []
    seen: set[str] = set()
    entity = ""
    for line in lines:
        word, colon, rest = line.strip().removeprefix("- ").partition(":")
        if word == "entity":
            entity = rest.strip()
        anchor = f"{entity}.{word}" if colon and entity in tables.golden and word in views()[entity].by_name else None
        result.append((anchor if anchor not in seen else None, line))
        seen.add(anchor or "")
    return result
