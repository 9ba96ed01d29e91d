"""A tryout for servers: the file is decoded in a process of its own, so that whatever it does to a decoder ends that process alone,
and a deadline ends it for certain. Mapping and suites follow here, one tryout at a time.

``python -m pipeline.trial`` reads what to decode as JSON from its standard input and writes the rows beside the file.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from connectors.base import Issue, Reject
from core import errors
from core.errors import InternalError, OneMapError, ProviderError, TransientError
from core.settings import ROOT
from pipeline import tryout
from pipeline.decode import Decoded
from pipeline.tryout import Tried

log = logging.getLogger(__name__)
DEADLINE = 120  # seconds of decoding, the start of its process included
PATIENCE = 20.0  # seconds that a tryout waits for the one before it
_RESULT, _BATCH = "told.json", "batch-{}.{}"
_CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE, -signal.SIGKILL}
_turn = threading.BoundedSemaphore(1)
_queue = threading.BoundedSemaphore(4)  # who waits holds one of the server's threads


def judged(feed_id: str, body: Path, name: str, *, records: bool = False) -> Tried:
    """:func:`pipeline.tryout.tryout`, guarded. ``body`` lies in a folder of its own, which the caller removes.

    :raises ProviderError: it would be refused whole; that it ends its decoder's process is such a reason too.
    :raises TransientError: others are being tried, or it is not decoded within the deadline.
    """
    with _place(_queue, blocking=False), _place(_turn, timeout=PATIENCE):
        return tryout.tryout(feed_id, body, name, records=records, read=_aside)


@contextmanager
def _place(of: threading.Semaphore, **how: Any) -> Iterator[None]:
    """A place among those who try, or who wait for it. :raises TransientError: there is none."""
    if not of.acquire(**how):
        raise TransientError(
            "others are being tried", remedy="try again in some seconds", zh="其他试报正在进行，请稍后再试。"
        )
    try:
        yield
    finally:
        of.release()


@contextmanager
def _aside(feed_id: str, body: Path, name: str, *, records: bool) -> Iterator[tuple[list[Issue], Iterator[Decoded]]]:
    """Decode in a process of its own, then read what it wrote."""
    asked = {"feed": feed_id, "body": str(body), "name": name, "records": records, "deadline": DEADLINE}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(body.parent)}
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "pipeline.trial"],
            input=json.dumps(asked).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what it says may hold values of the file
            env=environment,
            timeout=DEADLINE + 5,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        ended = -signal.SIGALRM
    if ended:
        raise _ended(ended, feed_id)
    document = json.loads((body.parent / _RESULT).read_text("utf-8"))
    if kind := document.pop("kind", None):
        raise getattr(errors, kind)(document.pop("message"), **document)
    yield [Issue(**one) for one in document["issues"]], _batches(body.parent, document["batches"])


def _ended(code: int, feed_id: str) -> OneMapError:
    log.warning("%s: decoding for a tryout ended by %d", feed_id, code)
    if code in _CRASHES:
        return ProviderError(
            "decoding it ended the process",
            remedy="give the file to the developers",
            zh="解析该文件使进程终止，同步时将跳过它。请联系枢纽运维排查。",
            code="decoder_ended",
            feed=feed_id,
        )
    if code == -signal.SIGALRM:
        return TransientError(
            f"not decoded within {DEADLINE} s",
            remedy="try a part of it, or onemap source tryout, which has no deadline",
            zh=f"{DEADLINE} 秒内未能解析完，没有结论。请取其中一部分试报，或由运维用命令 onemap source tryout 试报（不限时）。",
            feed=feed_id,
        )
    return InternalError(f"decoding ended by {code}", zh="试报未能完成，请联系枢纽运维。", feed=feed_id)


def _batches(folder: Path, count: int) -> Iterator[Decoded]:
    for number in range(count):
        with pa.memory_map(str(folder / _BATCH.format(number, "arrow"))) as file, pa.ipc.open_stream(file) as stream:
            rows = stream.read_all()
        document = json.loads((folder / _BATCH.format(number, "json")).read_text("utf-8"))
        yield Decoded(
            rows,
            pl.Series(document["receipts"], dtype=pl.Int64),
            pl.Series(document["scopes"], dtype=pl.String),
            [(receipt, Reject(**one)) for receipt, one in document["rejects"]],
            [Issue(**one) for one in document["issues"]],
            document["lost"],
        )


def _write(folder: Path, number: int, batch: Decoded) -> None:
    arrow = str(folder / _BATCH.format(number, "arrow"))
    with pa.OSFile(arrow, "wb") as file, pa.ipc.new_stream(file, batch.rows.schema) as stream:
        stream.write_table(batch.rows)
    document = {
        "receipts": batch.receipts.to_list(),
        "scopes": batch.scopes.to_list(),
        "rejects": [(receipt, asdict(reject)) for receipt, reject in batch.rejects],
        "issues": [asdict(issue) for issue in batch.issues],
        "lost": batch.lost,
    }
    (folder / _BATCH.format(number, "json")).write_text(json.dumps(document), "utf-8")


def main() -> None:
    """In the process aside."""
    asked = json.load(sys.stdin)
    signal.alarm(asked["deadline"])  # its default action ends a thread in C too
    body = Path(asked["body"])
    number = 0
    try:
        with tryout.decoded(asked["feed"], body, asked["name"], records=asked["records"]) as (issues, batches):
            for batch in batches:
                _write(body.parent, number, batch)
                number += 1
        document: dict[str, Any] = {"issues": [asdict(issue) for issue in issues], "batches": number}
    except OneMapError as error:
        kind = next(base.__name__ for base in type(error).__mro__ if hasattr(errors, base.__name__))
        parts = ("message", "remedy", "zh", "feed", "record", "field", "code")
        document = {"kind": kind, **{part: getattr(error, part) for part in parts}}
    (body.parent / _RESULT).write_text(json.dumps(document), "utf-8")


if __name__ == "__main__":
    main()
