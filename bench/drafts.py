"""How well a draft guesses: hide each feed's mapping, draft it anew from the live stand-in, compare: ``python -m bench.drafts``.

Each raw column of the hub's own mapping goes to columns of the model, has a role (key, time, …), or is left aside. A draft's
guess for it is right when it names one of these. Two ways of hiding: the feed's own mapping, and those of its whole source.
Printed: the share of right columns, and how many wrong ones the draft did not mark as doubtful. Exit 1 below 85 %, or with
one unmarked wrong guess.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from bench import scratch
from connectors import connector
from connectors.endpoint import Endpoint
from core import clock
from mappings import compiler
from mappings.language import REST, Declaration
from pipeline.onboard import knowledge, propose, sample
from pipeline.onboard.profile import profile
from schemas import aliases
from sources import loader
from standins import testing, world

TODAY = datetime(2026, 11, 23, 8)
LEAST = 0.85
ASIDE = "—"


@dataclass
class Score:
    """Of one feed, in raw columns. ``wrong``: raw column, what was guessed, what is right."""

    feed: str
    columns: int = 0
    right: int = 0
    sure: int = 0
    key: bool = False
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    unmarked: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def samples(projects: int) -> Iterator[dict[str, pa.Table]]:
    """Rows of every declared feed, read from the live stand-ins."""
    with tempfile.TemporaryDirectory(prefix="onemap-bench-world-") as room, scratch.server() as server:
        folder = world.make(Path(room) / "world", projects=projects, seed=7, today=TODAY)
        url = server.format(database="postgres")
        with testing.running(folder, url, at=TODAY, database_prefix="drafts") as stand:
            found = {}
            for source in loader.load_all().values():
                reader = connector(source, Endpoint(**stand.connection(source.connection)))
                try:
                    for feed in source.feeds.values():
                        found[feed.id] = sample.take(reader, feed, clock.now()).rows
                finally:
                    reader.close()
            yield found


def truth(declaration: Declaration) -> dict[str, set[str]]:
    """Raw column, folded → what the hub's own mapping does with it."""
    targets: dict[str, set[str]] = defaultdict(set)
    for name in (*([] if declaration.ignore == REST else declaration.ignore), *declaration.drop):
        targets[aliases.fold(name)].add(ASIDE)
    for role in ("time", "rank", "tombstone"):
        for name in getattr(declaration, role).columns if getattr(declaration, role) else ():
            targets[aliases.fold(name)].add(role)
    for part in declaration.key:
        for name in part.columns:
            targets[aliases.fold(name)].add("key")
    for block in declaration.entities:
        if block.explode:
            targets[aliases.fold(block.explode)].add(f"explode {block.entity}")
        for column, value in block.columns.items():
            for name in value.columns:
                if not (block.explode and name.startswith(f"{block.explode}.")):
                    targets[aliases.fold(name)].add(f"{block.entity}.{column}")
    return targets


def guessed(draft: propose.Draft) -> dict[str, dict[str, bool]]:
    """Raw column, folded → what the draft does with it, and whether it is sure."""
    values: dict[str, dict[str, bool]] = defaultdict(dict)
    for block in draft.blocks:
        if block.explode:
            values[aliases.fold(block.explode)][f"explode {block.entity}"] = block.sure
        for column, guess in block.columns.items():
            if guess.raw and not block.explode:
                values[aliases.fold(guess.raw)][f"{block.entity}.{column}"] = guess.sure and block.sure
    for role in ("time", "rank", "tombstone"):
        if guess := getattr(draft, role):
            values[aliases.fold(guess.raw)][role] = guess.sure
    for name in draft.key.value:
        values[aliases.fold(name)].setdefault("key", draft.key.sure)
    for guess in draft.aside:
        values[aliases.fold(guess.raw)][ASIDE] = guess.sure
    return values


def score(feed: str, rows: pa.Table, known: knowledge.Knowledge) -> Score:
    """One feed's draft against its own mapping."""
    declared = loader.feed(feed)
    table = str(declared.options.get("table", ""))
    own = compiler.load(feed).declaration
    looked = profile(feed, rows)
    cursor = declared.cursor.column if declared.cursor.kind == "window" else None
    draft = propose.draft(looked, name=declared.name, table=table, cursor=cursor, known=known)
    right, guess = truth(own), guessed(draft)
    scored = Score(feed)
    scored.key = {aliases.fold(n) for n in draft.key.value} == {aliases.fold(n) for p in own.key for n in p.columns}
    for raw in looked.columns:
        name = aliases.fold(raw)
        if name not in right:
            continue
        scored.columns += 1
        given = guess.get(name, {})
        main = [g for g in given if g not in ("key",)] or list(given)
        hit = bool(set(main) & right[name]) or (bool(given) and set(given) <= right[name])
        scored.right += hit
        scored.sure += any(given.values())
        if not hit:
            scored.wrong.append((raw, ", ".join(given) or "nothing", ", ".join(sorted(right[name]))))
        scored.unmarked += [
            (raw, target, ", ".join(sorted(right[name])))
            for target, sure in given.items()
            if sure and target not in right[name]
        ]
    return scored


def measure(rows: dict[str, pa.Table], hide: str) -> list[Score]:
    """All feeds; ``hide`` feed: each one's own mapping; source: those of its source."""
    scores = []
    for feed in sorted(rows):
        source = feed.partition(".")[0]
        hidden = [feed] if hide == "feed" else [f for f in rows if f.partition(".")[0] == source]
        scores.append(score(feed, rows[feed], knowledge.gather(hidden)))
    return scores


def report(scores: list[Score], hide: str, *, wrong: bool) -> bool:
    """Print; whether it holds."""
    columns, right = sum(s.columns for s in scores), sum(s.right for s in scores)
    unmarked = sum(len(s.unmarked) for s in scores)
    for s in scores:
        print(f"{s.feed:20} {s.right:3}/{s.columns:3} right  {s.sure:3} sure  key {'✓' if s.key else '?'}")
        for raw, given, own in s.wrong if wrong else ():
            print(f"    wrong     {raw}: {given}  is {own}")
        for raw, given, own in s.unmarked:
            print(f"    UNMARKED  {raw}: {given}  is {own}")
    sure = sum(s.sure for s in scores)
    print(
        f"hidden: the {hide}'s own.  {len(scores)} feeds, {right}/{columns} columns right ({right / columns:.1%}), "
        f"{sure} without a mark ({sure / columns:.1%}), {unmarked} wrong and not marked, "
        f"{sum(s.key for s in scores)} keys right\n"
    )
    return right / columns >= LEAST and not unmarked


if __name__ == "__main__":
    with samples(30) as read:
        empty = sorted(feed for feed, table in read.items() if not table.num_rows)
        if empty:
            print(json.dumps({"without rows": empty}))
        held = [
            report(measure({f: t for f, t in read.items() if t.num_rows}, hide), hide, wrong="--wrong" in sys.argv)
            for hide in ("feed", "source")
        ]
    sys.exit(0 if all(held) else 1)
