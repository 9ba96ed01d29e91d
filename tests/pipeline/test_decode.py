"""Whatever goes wrong while a payload is decoded is that payload's: the others of the window are stored."""

import json
import lzma
import os
import signal
import struct
import subprocess
import sys

import pyarrow as pa
import pytest

from connectors.base import Batch
from core.errors import ConfigurationError, ProviderError, TransientError
from core.settings import ROOT
from pipeline import attempts, decode, registry
from pipeline.fetch import Received
from tests.pipeline.fake import FakeConnector
from tests.pipeline.rows import project, rows, run, scalar

RAISED = [
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    RecursionError(),
    lzma.LZMAError("corrupt"),
    struct.error("unpack"),
    ValueError("secret-value-123"),
    MemoryError(),
    KeyError("x"),
    OSError("no errno: a library's own"),
    ProviderError("broken", code="file_damaged", zh="损坏"),
    TransientError("no page", code="not_a_page"),
]


@pytest.fixture
def poisoned(world, monkeypatch):
    """``poisoned(error)``: the page with project 2 raises it when decoded, after ``first`` rows."""

    def poison(error: Exception, *, after: int = 0) -> None:
        decode = FakeConnector.decode

        def decoding(self, feed, payload):
            if "项目2" not in payload.body.decode():
                yield from decode(self, feed, payload)
                return
            for batch in decode(self, feed, payload):
                yield Batch(batch.rows.slice(0, after))
            raise error

        monkeypatch.setattr(FakeConnector, "decode", decoding)

    world["d2.projects"].pages = [[project(1)], [project(2), project(3)], [project(4)]]
    return poison


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_any_exception_is_its_payloads_reject(poisoned, error):
    poisoned(error)
    outcome = run("d2.projects")
    assert (outcome.outcome, outcome.counts.new, outcome.counts.quarantined) == ("ok", 2, 1)
    assert outcome.counts.balanced
    (entry,) = rows("select q.*, r.complete from landing.quarantine q join landing.run r on r.id = q.run_id")
    assert entry["receipt_id"] and entry["place"] == "page 1" and not entry["complete"]
    assert "secret-value-123" not in json.dumps(entry["reasons"])
    assert scalar("select count(*) from landing.completed") == 0


def test_what_was_decoded_before_stays(poisoned):
    poisoned(RecursionError(), after=1)
    outcome = run("d2.projects")
    assert (outcome.counts.new, outcome.counts.quarantined) == (3, 1)


def test_nothing_is_absent_when_a_payload_could_not_be_read(world, poisoned):
    run("d2.projects")
    poisoned(ValueError("x"))
    outcome = run("d2.projects")
    assert outcome.counts.absent == 0
    assert scalar("select count(*) from source.record where tombstoned_at is null") == 4


@pytest.mark.parametrize("error", [ConfigurationError("wrong option"), OSError(28, "No space left on device")])
def test_what_no_payload_can_do_ends_the_run(poisoned, error):
    poisoned(error)
    outcome = run("d2.projects")
    assert outcome.outcome == "failed" and outcome.counts.balanced


def test_a_name_that_the_store_cannot_hold_is_told(world):
    world["d2.projects"].pages = [[project(1, **{"bad\x00name": "x", "n" * 5000: "y"})]]
    outcome = run("d2.projects")
    assert (outcome.outcome, outcome.counts.new) == ("ok", 1)
    assert scalar("select count(*) from landing.issue where code = 'name_unreadable'") == 2


def test_mangled_text_is_told_with_record_and_field(world):
    world["d2.projects"].pages = [[project(1), project(2, name="东莞市某某".encode().decode("gbk", "replace"))]]
    run("d2.projects")
    (issue,) = rows("select record, field from landing.issue where code = 'text_mangled'")
    assert issue == {"record": "2312-441900-04-01-000002", "field": "projectName"}


def test_an_empty_batch_is_none(world, monkeypatch):
    monkeypatch.setattr(FakeConnector, "decode", lambda self, feed, payload: iter([Batch(pa.table({}))]))
    world["d2.projects"].pages = [[project(1)]]
    assert run("d2.projects").outcome == "ok"


#: a run whose decoder ends the process at the page with project 2, or never comes back from it
_ENDING = """
import ctypes, sys, time
from pipeline import attempts, decode as phase, registry
from tests.pipeline.fake import Answers, FakeConnector
from tests.pipeline.rows import project, run

phase.TRIES = 1
decode = FakeConnector.decode
def decoding(self, feed, payload):
    if "项目2" in payload.body.decode():
        ctypes.string_at(0) if sys.argv[1] == "crash" else ctypes.CDLL(None).sleep(60)
    yield from decode(self, feed, payload)
    if sys.argv[1] == "hang":
        attempts.PATIENCE = 2.0  # of what comes next: the page that hangs
FakeConnector.decode = decoding
answers = {"d2.projects": Answers(pages=[[project(1)], [project(2), project(3)], [project(4)]])}
registry.connector = lambda source: FakeConnector(source, answers)
outcome = run("d2.projects")
print(outcome.outcome, outcome.counts.new, outcome.counts.quarantined)
"""


@pytest.mark.parametrize(("how", "code"), [("crash", -signal.SIGSEGV), ("hang", attempts.ENDED)])
def test_a_payload_that_ends_the_process_or_never_ends_is_passed_over_at_last(world, hub, how, code):
    def tried(how: str = how) -> subprocess.CompletedProcess:
        command = [sys.executable, "-P", "-c", _ENDING, how]
        env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'dags' / 'provider'}", "PYTHONFAULTHANDLER": ""}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)

    first = tried()
    assert first.returncode == code, first.stderr
    last = tried("crash")  # given up after one
    assert (last.returncode, last.stdout.split()) == (0, ["ok", "2", "1"]), last.stderr
    (entry,) = rows("select q.reasons, r.complete from landing.quarantine q join landing.run r on r.id = q.run_id")
    assert [reason["code"] for reason in entry["reasons"]] == ["decoder_ended"] and not entry["complete"]
    assert tried("crash").stdout.split()[:1] == ["ok"], "it is passed over the next time too"


def test_a_payload_that_fails_like_any_other_leaves_no_mark(poisoned, hub):
    poisoned(ValueError("x"), after=1)
    assert run("d2.projects").outcome == "ok" and list((hub / "decoding").iterdir()) == []


def test_what_was_killed_from_outside_is_forgotten_once_it_is_decoded(hub):
    folder = hub / "decoding"
    for _ in range(attempts.TRIES - 1):  # killed while it was decoded
        folder.mkdir(exist_ok=True)
        (folder / "d2.projects-1.running").write_text("a" * 64)
        with attempts.Attempts("d2.projects") as before:
            pass
    (folder / "d2.projects-2.running").write_text("-" * 64)  # killed in between
    with attempts.Attempts("d2.projects") as now:
        assert before.failed("a" * 64) == now.failed("a" * 64) == attempts.TRIES - 1
        with attempts.Attempts("d2.projects") as beside:  # what another run holds is alive
            assert beside.failed("a" * 64) == attempts.TRIES - 1 and not beside.failed("b" * 64)
        now.survived("a" * 64)
    assert list(folder.iterdir()) == []


class Told:
    """Payloads of so many rows each, of the scope that is their letter."""

    def decode(self, feed, payload):
        letter, rows = payload
        yield Batch(pa.table({"n": pa.array([f"{letter}{n}" for n in range(rows)], pa.large_string())}), scope=letter)


@pytest.mark.parametrize("bytes_", [8 << 20, 30])
def test_a_batch_has_a_bound_whatever_payloads_have_and_each_row_its_receipt(monkeypatch, bytes_):
    monkeypatch.setattr(decode, "BATCH_ROWS", 4)
    monkeypatch.setattr(decode, "BATCH_BYTES", bytes_)
    feed = registry.feed("m2.sb")[1]
    told = ((1, "a", 1), (2, "b", 11), (3, "c", 0), (4, "d", 4), (5, "e", 2))
    payloads = [Received(number, letter, (letter, rows)) for number, letter, rows in told]
    batches = list(decode.batches(Told(), feed, payloads))
    assert max(batch.rows.num_rows for batch in batches) <= 4
    assert bytes_ > 30 or max(batch.rows.num_rows for batch in batches) < 4
    whole = [
        (name, receipt, scope)
        for batch in batches
        for name, receipt, scope in zip(batch.rows["n"].to_pylist(), batch.receipts, batch.scopes, strict=True)
    ]
    assert whole == [(f"{letter}{n}", number, letter) for number, letter, rows in told for n in range(rows)]
