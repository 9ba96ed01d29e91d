"""Whatever a source sends: dirt of every kind in a recorded payload of every feed.

For each: nothing is raised but what the pipeline makes a reject of; what is rejected has place, code, reason and remedy;
dirt within one value costs one record at most; the batch balances; nothing of another feed changes; the same again
gives the same; and unify and supervision still run. ``--dirt`` makes it 20,000 mutations a feed, ``--dirt-seed`` takes a
day's seed again (it is printed). What fails is kept in ``corpus/`` and replayed every day.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from connectors.base import Proof
from connectors.window import Window
from core.settings import ROOT
from pipeline import plan, registry, sync
from quality import issues as issue_list
from tests.dirt import hostile
from tests.dirt.machine import CORPUS, FEEDS, Dirt, Recorded, dirt
from tests.pipeline.rows import rows, scalar

EVERYDAY = 200  # mutations a feed
CHUNK = 250  # payloads of one run
WATCHED = 10  # one of so many is decoded again under limits
MAPPED = 50  # payloads mapped at once
# feeds of which the everyday run stores what it made, one of each wire; ``--dirt`` stores all
STORED = {"p1.enterprise", "d2.projects", "m1.projects", "s1.redline", "d4.cases", "m2.bzgz"}


def judged(of: Recorded, made: Dirt) -> list[pa.Table]:
    """What one payload gives; its tables, for :func:`mapped`."""
    read, rejects, tables, _ = of.read(made.body)
    for reject in rejects:
        entry = issue_list.find(reject.code)
        assert entry is not None and entry.zh and entry.remedy_zh, reject
        assert reject.place and reject.message, reject
    if made.local:
        before, after = Counter(map(_content, of.sound)), Counter(map(_content, read))
        lost = before - after
        assert lost.total() <= 1, (made.what, list(lost))
        assert len(read) + len(rejects) >= len(of.sound), made.what
    return tables


def mapped(of: Recorded, made: list[tuple[Dirt, list[pa.Table]]]) -> None:
    """Many payloads' rows mapped at once, as a batch is; what fails is found by halves, and kept."""
    tables = [table for _, tables in made for table in tables]
    if not tables:
        return
    try:
        rejects = registry.mapping(of.feed).apply(pa.concat_tables(tables, promote_options="permissive")).rejects
        unknown = [code for code in rejects["code"].unique() if issue_list.find(code) is None]
        assert not unknown, unknown
    except BaseException:
        if len(made) == 1:
            kept(of, made[0][0])
            raise
        for half in (made[: len(made) // 2], made[len(made) // 2 :]):
            mapped(of, half)
        raise


def _content(row: dict) -> str:
    return json.dumps({name: value for name, value in row.items() if name != "_place" and value}, sort_keys=True)


def kept(of: Recorded, made: Dirt, suffix: str = "") -> None:
    """The smallest that failed, to be replayed."""
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{of.id}{suffix}.bin").write_bytes(made.body)


def stored(of: Recorded, bodies: list[bytes], patch: pytest.MonkeyPatch) -> None:
    """All of them in one run, and again: see the module."""
    feed = of.feed.model_copy(update={"max_rejected": 1.0, "max_deleted": 1.0, "floor": None})
    source = registry.feed(of.id)[0]
    payloads = [of.payload(body, number) for number, body in enumerate(bodies)]
    of.connector.fetch = lambda *_: iter([*payloads, Proof(True, "recorded")])
    with pytest.MonkeyPatch.context() as inner:
        inner.setattr(registry, "connector", lambda _: of.connector)
        inner.setattr(registry, "feed", lambda _: (source, feed))
        others = others_of(of.id)
        found = []
        for _ in range(2):
            outcome = sync.run(plan.task(feed, Window()), trigger="cli")
            assert outcome.outcome in ("ok", "held"), (outcome.fault, outcome.error)
            assert outcome.counts.balanced and outcome.counts.rows_in
            found.append(current(of.id))
        assert found[0] == found[1]
        assert others_of(of.id) == others
    for entry in rows("select distinct reasons, place from landing.quarantine where feed = :feed", feed=of.id):
        assert entry["place"]
        for reason in entry["reasons"]:
            known = issue_list.find(reason["code"])
            assert known is not None and known.zh and known.remedy_zh, reason


def current(feed: str) -> str | None:
    return scalar(
        "select md5(string_agg(record_key || content_hash::text, '' order by record_key)) from source.record"
        " where feed = :feed and tombstoned_at is null",
        feed=feed,
    )


def others_of(feed: str) -> str | None:
    return scalar(
        "select md5(string_agg(feed || record_key || content_hash::text, '' order by feed, record_key)) from source.record"
        " where feed <> :feed and tombstoned_at is null",
        feed=feed,
    )


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.timeout(7200)
def test_dirt_costs_no_more_than_what_is_dirty(feed: str, dirty, watched: Path, amount: int, day: int) -> None:
    print(f"{feed}: --dirt-seed={day}")
    of = Recorded.of(feed)
    bodies: set[bytes] = set()
    unmapped: list[tuple[Dirt, list[pa.Table]]] = []
    failed: list[Exception] = []

    @seed(day)
    @settings(
        max_examples=amount,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(dirt(of))
    def one(drawn: Dirt) -> None:
        try:
            tables = judged(of, drawn)
        except BaseException:
            kept(of, drawn)
            raise
        bodies.add(drawn.body)
        if len(bodies) % WATCHED == 0:
            (watched / f"{feed}#{len(bodies)}").write_bytes(drawn.body)
        unmapped.append((drawn, tables))
        try:
            if len(unmapped) == MAPPED:
                mapped(of, unmapped)
            if len(bodies) == CHUNK:
                store()
        except Exception as error:  # raised at the end: it is none of this one alone
            failed.append(error)
        finally:
            if len(unmapped) == MAPPED:
                unmapped.clear()
            if len(bodies) == CHUNK:
                bodies.clear()

    def store() -> None:
        if feed in STORED or amount > EVERYDAY:
            stored(of, [of.body, *sorted(bodies)], dirty)

    one()
    if failed:
        raise failed[0]
    mapped(of, unmapped)
    store()


def test_what_failed_before_holds(dirty) -> None:
    for path in sorted(CORPUS.glob("*.bin")):
        of = Recorded.of(path.stem.split("#")[0])
        dirty_one = Dirt(path.read_bytes(), False, path.name)
        mapped(of, [(dirty_one, judged(of, dirty_one))])
        stored(of, [of.body, path.read_bytes()], dirty)


@pytest.mark.parametrize("feed", hostile.FEEDS)
def test_what_wants_to_cost_much_is_read_or_rejected_and_never_nothing(feed: str, watched: Path) -> None:
    of = Recorded.of(feed)
    for number, (what, body) in enumerate(hostile.payloads(of)):
        (watched / f"{feed}#hostile-{number}").write_bytes(body)
        read, rejects, _, _ = of.read(body)
        assert rejects or len(read) >= len(of.sound), what


def test_time_and_memory_are_bounded(watched: Path) -> None:
    """In a process with limits: what it was reading when it ended is the culprit."""
    for path in CORPUS.glob("*.bin"):
        shutil.copy(path, watched / path.stem)
    child = subprocess.run(
        [sys.executable, "-P", "-m", "tests.dirt.bounded", str(watched)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'dags' / 'provider'}"},
        capture_output=True,
        text=True,
    )
    told = child.stdout.splitlines()
    assert child.returncode == 0 and told[-1] == "all", (told[-1:], child.returncode, child.stderr[-2000:])


def test_unify_and_supervision_still_run(dirty) -> None:
    from pipeline import unify
    from supervision import ledger

    unify.run()
    assert ledger.supervise().projects >= 0
    assert scalar("select count(*) from store.dirty") == 0
