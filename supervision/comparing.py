"""What changed rules would do: the city judged twice, by the rules in force and by those proposed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from core.errors import ConfigurationError
from store.engine import transaction
from supervision import checking, rulebook, silence
from supervision.judge import Judged, Rules, chunks, judge, rules
from supervision.read import city

KEY = ["rule", "project_code", "item_code", "case_no"]
COMPARED = ["level", "severity", "department_code"]
SHOWN = [*KEY, "level", "kind", "severity", "department_name", "text"]


@dataclass(frozen=True, slots=True)
class Difference:
    """``opens``, ``closes``: findings as judged; ``changes``: :data:`KEY` with each of :data:`COMPARED` before and after;
    ``waits``: findings that one of the two would not judge for want of data."""

    as_of: date
    opens: pl.DataFrame
    closes: pl.DataFrame
    changes: pl.DataFrame
    waits: int


def compare(proposed: Path, as_of: date) -> Difference:
    """A folder of rules, or one file that stands for the file of its name.

    :raises ConfigurationError: the proposed rules are wrong, with file and line.
    """
    with _folder(proposed) as folder:
        wrong = checking.check(folder)
        if wrong:
            raise wrong[0]
        before, after = rules(), rules(folder)
        parts = [difference(was, now) for was, now in both(as_of, before, after)]
    opens, closes, changes, waits = (list(column) for column in zip(*parts, strict=True))
    opened, closed, changed = (pl.concat(frames).sort(KEY) for frames in (opens, closes, changes))
    return Difference(as_of, opened, closed, changed, sum(waits))


def both(as_of: date, before: Rules, after: Rules) -> Iterator[tuple[Judged, Judged]]:
    """The city judged by the one and by the other, the same projects at a time; what is silent is looked at once for each calendar."""
    with transaction() as connection:
        watched = silence.look(connection, as_of, before.calendar)
        then = watched if after.calendar.agrees(before.calendar) else silence.look(connection, as_of, after.calendar)
        for chunk in chunks(connection, city(connection)):
            yield judge(connection, as_of, chunk, before, watched), judge(connection, as_of, chunk, after, then)


def difference(was: Judged, now: Judged) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, int]:
    """(opens, closes, changes, waits) of :class:`Difference` for some projects."""
    judged = pl.col("waits_for").list.len() == 0
    old, new = was.findings.filter(judged), now.findings.filter(judged)
    waits = len(was.findings) - len(old) + len(now.findings) - len(new)
    both = old.select(*KEY, *COMPARED).join(new.select(*KEY, *COMPARED), on=KEY, suffix="_after")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in COMPARED)
    return (
        new.join(old, on=KEY, how="anti").select(SHOWN),
        old.join(new, on=KEY, how="anti").select(SHOWN),
        both.filter(differs),
        waits,
    )


@contextmanager
def _folder(proposed: Path) -> Iterator[Path]:
    if proposed.is_dir():
        yield proposed
        return
    if not proposed.is_file() or proposed.name not in checking.FILES:
        raise ConfigurationError(
            f"{proposed} is neither a folder of rules nor one of {', '.join(checking.FILES)}",
            remedy="give a copy of supervision/rules, or one changed file under its own name",
            zh=f"{proposed} 既不是规则目录，也不是其中的文件（{'、'.join(checking.FILES)}）。",
        )
    with tempfile.TemporaryDirectory(prefix="rules-") as scratch:
        folder = Path(scratch) / "rules"
        shutil.copytree(rulebook.FOLDER, folder)
        shutil.copy(proposed, folder / proposed.name)
        yield folder
