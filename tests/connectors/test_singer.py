"""``singer``: a tap as a child process; what it says, what it leaves unsaid, and what it may not."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from connectors import connector
from connectors.endpoint import Endpoint
from connectors.window import Window
from core.errors import ConfigurationError, TransientError
from core.redaction import redact
from sources.declaration import FilesCursor, WindowCursor
from tests.connectors import contract
from tests.connectors.http_cases import feed, source
from tests.connectors.tap import PERMITS

TAP = [sys.executable, str(Path(__file__).with_name("tap.py"))]
FULL = feed("permits", ["id"], stream="permits")
MARKED = feed("permits", ["id"], FilesCursor(kind="files"), stream="permits")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    return tmp_path


def made(of: Any = FULL, how: str = "", key: str = "s3cret-key", **given: Any) -> Any:
    config = {"how": how, **given.pop("config", {})}
    options = {"tap": TAP, "password_as": "api_key", "config": config} | given
    declared = source("singer", of).model_copy(update={"options": options})
    return connector(declared, Endpoint("t", "generic", "", password=key))


def read(
    of: Any = FULL, how: str = "", state: Any = None, window: Window | None = None, **given: Any
) -> contract.Reading:
    return contract.read(made(of, how, **given), of, window or Window(full=True), state)


class TestContract(contract.Contract):
    @pytest.fixture
    def case(self) -> contract.Case:
        return contract.Case(made, FULL, {(str(row["id"]),) for row in PERMITS}, secrets=("s3cret-key",))


def test_records_come_as_they_were_written():
    found = read()
    assert found.proof and found.proof.complete and not found.rejects
    assert found.rows.to_pylist()[0] == {
        "id": "1",
        "permit": "B-001",
        "updated": "2026-11-01",
        "cost": "1.1",
        "site": '{"town": "厚街"}',
        "_place": "line 2",
    }


def test_the_tap_goes_on_from_its_own_state():
    first = read(MARKED, window=Window())
    assert first.rows.num_rows == 7 and first.proof and first.proof.state == {"state": {"permits": "2026-11-07"}}
    again = read(MARKED, window=Window(), state=first.proof.state)
    assert again.rows.num_rows == 0 and again.proof and again.proof.complete and again.proof.state == first.proof.state
    assert read(MARKED, window=Window(), state={"state": {"permits": "2026-11-05"}}).rows.num_rows == 2
    assert read(MARKED, state=first.proof.state).rows.num_rows == 7  # asked for everything


def test_only_the_feeds_stream_is_taken_with_or_without_a_catalogue():
    assert read(catalog="none").keys(["id"]) == read().keys(["id"])
    lines = made().check()
    assert all(line.ok for line in lines) and "permits, towns" in lines[0].detail
    described = made().describe(FULL)
    assert described.key == ["id"] and described.columns["permit"] == "of permit"


@pytest.mark.parametrize(
    ("how", "message"), [("fails", "ended with 3: the server said 503"), ("breaks off", "within a line")]
)
def test_a_tap_that_fails_proves_nothing(how: str, message: str):
    found = read(how=how)
    assert found.proof is None and isinstance(found.error, TransientError) and message in str(found.error)


def test_a_tap_that_says_nothing_of_its_stream_proves_nothing():
    found = read(how="says nothing")
    assert found.proof and not found.proof.complete and "said nothing" in found.proof.why


def test_what_is_no_message_is_rejected_by_line_and_nan_is_a_word():
    found = read(how="dirty")
    assert [(one.code, one.raw) for one in found.rejects] == [("json_damaged", "Downloading page 2 ...")]
    assert found.proof and found.proof.complete and found.rows.num_rows == 7
    assert found.rows.to_pylist()[3]["cost"] == "NaN" and [one.code for one in found.issues] == ["json_mended"]


def test_a_silent_tap_is_ended_with_its_children(tmp_path: Path):
    mark = tmp_path / "child"
    found = read(how="hangs", silence=1.5, config={"mark": str(mark)})
    assert isinstance(found.error, TransientError) and "is silent" in str(found.error)
    child = Path("/proc") / mark.read_text()
    for _ in range(100):
        if not child.exists() or "zombie" in (child / "status").read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the tap's child still runs")
    assert not list((tmp_path / "tmp").iterdir())


def test_a_reader_that_stops_ends_the_tap(tmp_path: Path):
    reading = made(MARKED, "hangs", config={"mark": str(tmp_path / "child")}, silence=0.5)._running(MARKED, None)
    with reading as tap:
        next(iter(tap))
        child = tap._child
    assert child.poll() is not None


def test_a_tap_may_talk_on_stderr_without_end():
    assert read(how="noisy").rows.num_rows == 7


def test_a_tap_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_CONN_T", "http://a:b@c")
    told = read(how="tells").rows.to_pylist()[0]["home"]
    assert "PATH" in told and "AIRFLOW" not in told and "ONEMAP" not in told


def test_an_error_holds_no_secret():
    found = read(key="another-key")
    assert found.error is not None and "401" in str(found.error) and "another-key" not in str(found.error)
    assert found.error.feed == "t.permits"
    nested = made()
    nested.endpoint.extra["api_keys"] = {"X-API-KEY": "within-a-field"}
    contract.read(nested, FULL, Window(full=True))
    assert "within-a-field" not in redact("a log line with within-a-field")


def test_memory_is_bounded():
    found = read(how="greedy", memory=1 << 30)
    assert found.proof is None and "MemoryError" in str(found.error)


def test_what_is_wrong_in_the_declaration():
    unknown = feed("permits", ["id"], stream="permit")
    assert "permits, towns" in str(read(unknown).error)
    assert "no program" in str(read(tap=["tap-nowhere"]).error)
    with pytest.raises(ConfigurationError, match="bookmarks"):
        made(feed("permits", ["id"], WindowCursor(kind="window", column="t"), stream="permits"))


def test_a_killed_hub_leaves_no_secret_on_disk(tmp_path: Path):
    """The config is a file in memory, never one with a name."""
    with made()._running(FULL, None) as tap:
        held = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not any(b"s3cret-key" in path.read_bytes() for path in held)
        assert "s3cret-key" not in Path(f"/proc/{tap._child.pid}/cmdline").read_text()
