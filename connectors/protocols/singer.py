"""``singer``: any tap of the Singer specification (github.com/singer-io/getting-started, docs/SPEC.md) as a source.

The tap is a child process of its own environment, installed by whoever runs the hub; it gets nothing of ours but its
config, catalogue and state, and is ended with its children when it is silent, too slow or no longer wanted. Its config,
which may hold secrets, is never written to a disk: it is handed down as an open memory file.

A feed is one stream; only that is selected. A payload is the stream's SCHEMA and RECORD lines as the tap wrote them, and
lines that are no message, which are rejected by line. The last STATE is the feed's state, kept with the rows; a feed with
``cursor: {kind: files}`` hands it to the next run, one with ``full`` does not. A window is complete when the tap ended
with 0, after a whole line, and spoke of the stream: a tap that says nothing of a stream proves nothing.

What may be declared: :mod:`sources.options.singer`. Raw columns: the fields of ``record``, nested ones as JSON text.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from connectors.base import Batch, CheckLine, Connector, Described, Issue, Payload, Proof, Reject, Window
from connectors.decoders import jsonrows
from connectors.limits import Limits, check
from core import clock, scratch
from core.errors import ConfigurationError, OneMapError, ProviderError, TransientError
from core.redaction import depersonalise, hide, redact
from sources import options

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_CHUNK = 16 << 20  # bytes of a payload
_ERROR_LINES = 20  # last lines of stderr that an error repeats
_LONGEST_DISCOVERY = 300.0
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_SECRET = re.compile("password|secret|token|key|credential|auth", re.I)  # names of a tap's config
_DONE = object()


class _Message(msgspec.Struct):
    """A line of the specification; what else stands in it is the tap's own matter."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()


_message = msgspec.json.Decoder(_Message)


class Singer(Connector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self._options = options.of_source(source)
        self._feeds = {feed.id: options.of_feed("singer", feed) for feed in source.feeds.values()}
        self._catalogue: dict[str, dict[str, Any]] | None = None
        for feed in source.feeds.values():
            if feed.cursor.kind not in ("full", "files"):
                raise ConfigurationError(
                    f"{feed.id}: a tap keeps its own bookmarks, cursor kind {feed.cursor.kind} means nothing to it",
                    remedy="declare cursor kind files (the tap's state is kept) or full (everything at each run)",
                    zh=f"数据项 {feed.id}：Singer tap 自行记录进度，cursor 应为 files（保留其状态）或 full（每次全量）。",
                    source=source.source,
                    feed=feed.id,
                    field="cursor",
                )

    # -- the contract of a connector

    def check(self) -> list[CheckLine]:
        lines = []
        if self._options.catalog != "none":
            try:
                streams = self._streams()
                lines.append(CheckLine("discover", True, f"{len(streams)} streams: {', '.join(sorted(streams))}"))
            except OneMapError as error:
                return [CheckLine.failed("discover", error)]
        for feed in self.source.feeds.values():
            try:
                lines.append(CheckLine(feed.id, True, self._first(feed)))
            except OneMapError as error:
                lines.append(CheckLine.failed(feed.id, error))
        return lines

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        known = (state or {}).get("state") if feed.cursor.kind == "files" and not window.full else None
        limits, wanted = Limits.of(feed), options.of_feed("singer", feed).stream
        lines: list[bytes] = []
        size = records = 0
        spoken = False
        last: Any = None
        started = clock.now()
        with self._running(feed, known) as tap:
            for line in tap:
                message = _read(line)
                if message is not None and message.type == "STATE":
                    last = json.loads(bytes(message.value)) if bytes(message.value) else None
                    continue
                if message is not None and (
                    message.stream != wanted or message.type not in ("SCHEMA", "RECORD", "BATCH")
                ):
                    continue
                check(limits, "page", len(line), f"a line of {feed.id}")
                if message is not None:
                    if message.type == "BATCH":
                        raise _batches(feed)
                    spoken = True
                    records += message.type == "RECORD"
                lines.append(line)
                size += len(line)
                if size >= _CHUNK:
                    yield self._payload(feed, lines, started)
                    lines, size, started = [], 0, clock.now()
            tap.ended()
        if lines:
            yield self._payload(feed, lines, started)
        next_state = {"state": last} if last is not None else state
        if not spoken:
            yield Proof(False, f"the tap said nothing of its stream {wanted}", 0, 0, state)
        else:
            yield Proof(True, f"the tap ended with 0 after {records} records", None, None, next_state)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        body = payload.content
        found: list[bytes] = []
        places: list[str] = []
        rejects: list[Reject] = []
        issues: list[Issue] = []
        given, limits = options.of_feed("singer", feed), Limits.of(feed)
        for number, line in enumerate(body.split(b"\n"), 1):
            if not line.strip():
                continue
            line = jsonrows.clean(line)
            message = _read(line)
            if message is None:
                with contextlib.suppress(ValueError):  # NaN, as many taps write it
                    line, mended = jsonrows.sound(line, "record", limits)
                    message, issues = _read(line), issues + mended
            if message is not None and message.stream not in (None, given.stream):
                continue
            if message is None or (message.type == "RECORD" and not bytes(message.record)):
                text = line[: jsonrows.RAW].decode("utf-8", "replace")
                rejects.append(Reject(f"line {number}", "json_damaged", f"line {number} is no Singer message", text))
            elif message.type == "RECORD":
                found.append(bytes(message.record))
                places.append(f"line {number}")
        objects, at, bad = jsonrows.rows(b"[" + b",".join(found) + b"]")
        where = {f"row {n}": place for n, place in enumerate(places, 1)}
        rejects += [Reject(where[one.place], one.code, one.message, one.raw) for one in bad]
        columns, rejects = jsonrows.bounded(objects, [where[one] for one in at], rejects, limits)
        yield Batch(columns, rejects, issues)

    def describe(self, feed: Feed) -> Described | None:
        if self._options.catalog == "none":
            return None
        entry = self._streams().get(options.of_feed("singer", feed).stream)
        if entry is None:
            raise self._no_stream(feed)
        properties = entry.get("schema", {}).get("properties", {})
        return Described(
            {name: str((one or {}).get("description") or "") for name, one in properties.items()},
            [str(name) for name in entry.get("key_properties") or _metadata(entry).get("table-key-properties") or []],
        )

    # -- the tap

    def _first(self, feed: Feed) -> str:
        """Its stream's first record. :raises OneMapError: none comes."""
        wanted = options.of_feed("singer", feed).stream
        spoken = False
        with self._running(feed, None) as tap:
            for line in tap:
                message = _read(line)
                if message is not None and message.stream == wanted:
                    spoken = True
                    if message.type == "RECORD":
                        return f"stream {wanted} answers"
            tap.ended()
        if not spoken:
            raise self._no_stream(feed)
        return f"stream {wanted} answers, and has no record"

    def _streams(self) -> dict[str, dict[str, Any]]:
        """The tap's catalogue by stream."""
        if self._catalogue is None:
            with _Tap(self, self._command("--discover"), _LONGEST_DISCOVERY) as tap:
                text = b"".join(tap)
                tap.ended()
            try:
                listed = json.loads(text)["streams"]
                self._catalogue = {str(one.get("tap_stream_id") or one["stream"]): one for one in listed}
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise ProviderError(
                    f"what the tap wrote for --discover is no catalogue: {error!r}",
                    remedy="a tap without discovery: declare options.catalog: none",
                    zh="tap 的 --discover 输出不是目录；如该 tap 不支持 discover，请声明 options.catalog: none。",
                    source=self.source.source,
                    code="no_catalogue",
                ) from error
        return self._catalogue

    def _selected(self, feed: Feed) -> dict[str, Any]:
        """The catalogue with this feed's stream alone selected, with all of its fields."""
        given = options.of_feed("singer", feed)
        if given.stream not in self._streams():
            raise self._no_stream(feed)
        catalog = json.loads(json.dumps(list(self._streams().values())))
        for entry in catalog:
            chosen = str(entry.get("tap_stream_id") or entry["stream"]) == given.stream
            whole = {"selected": chosen}
            if chosen and given.replication:
                whole["replication-method"] = entry["replication_method"] = given.replication
            if chosen and given.replication_key:
                whole["replication-key"] = entry["replication_key"] = given.replication_key
            found = entry.setdefault("metadata", [])
            if not any(not one.get("breadcrumb") for one in found):
                found.append({"breadcrumb": [], "metadata": {}})
            for one in found:
                held = one.setdefault("metadata", {})
                held |= whole if not one.get("breadcrumb") else {"selected": chosen}
            if isinstance(entry.get("schema"), dict):
                entry["schema"]["selected"] = chosen  # taps older than metadata
        return {"streams": catalog}

    def _command(self, *more: str) -> list[str]:
        program = shutil.which(self._options.tap[0])
        if program is None:
            raise ConfigurationError(
                f"no program {self._options.tap[0]!r}",
                remedy="install the tap in an environment of its own and declare options.tap with its whole path",
                zh=f"找不到 tap 程序 {self._options.tap[0]}，请安装到独立环境并在 options.tap 中写明完整路径。",
                source=self.source.source,
                field="options.tap",
            )
        return [program, *self._options.tap[1:], *more]

    @contextmanager
    def _running(self, feed: Feed, state: Any) -> Iterator[_Tap]:
        """The tap, reading one stream."""
        try:
            with scratch.Folder("singer-") as folder:
                more = []
                for name, value in (
                    (self._options.catalog, self._selected(feed) if self._options.catalog != "none" else None),
                    ("state", state),
                ):
                    if value is not None:
                        path = Path(folder) / f"{name}.json"
                        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
                        more += [f"--{name}", str(path)]
                with _Tap(self, self._command(*more), self._options.longest) as tap:
                    yield tap
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def _config(self) -> bytes:
        """What the tap is configured by; what is secret of it is hidden from then on, in nested fields too."""
        given, of = self._options, self.endpoint
        config = {**given.config, **of.extra}
        for name, value in ((given.host_as, of.host), (given.login_as, of.login), (given.password_as, of.password)):
            if name:
                config[name] = value
        hide([of.password, *_strings([value for name, value in of.extra.items() if _SECRET.search(name)])])
        return json.dumps(config, ensure_ascii=False).encode()

    def _payload(self, feed: Feed, lines: list[bytes], started: Any) -> Payload:
        wanted = options.of_feed("singer", feed).stream
        request = {"tap": Path(self._options.tap[0]).name, "stream": wanted}
        return Payload(b"".join(lines), "application/x-ndjson", request, started, clock.now(), {"lines": len(lines)})

    def _no_stream(self, feed: Feed) -> ConfigurationError:
        wanted = options.of_feed("singer", feed).stream
        there = ", ".join(sorted(self._catalogue or ())) or "it has no catalogue"
        return ConfigurationError(
            f"{feed.id}: the tap has no stream {wanted!r}",
            remedy=f"correct options.stream; there are: {there}",
            zh=f"数据项 {feed.id}：tap 没有名为 {wanted} 的流，现有：{there}。",
            source=self.source.source,
            feed=feed.id,
            field="options.stream",
        )


class _Tap:
    """The running child: its lines of stdout, then :meth:`ended`. Its whole group ends with the block."""

    def __init__(self, singer: Singer, command: list[str], longest: float) -> None:
        self._singer = singer
        self._command = command
        self._until = time.monotonic() + longest
        self._silence = singer._options.silence
        self._stderr: deque[str] = deque(maxlen=_ERROR_LINES)
        self._lines: queue.Queue[Any] = queue.Queue(maxsize=1000)
        self._cut = False
        self._gone = threading.Event()

    def __enter__(self) -> _Tap:
        self._home = scratch.Folder("tap-")
        config = os.memfd_create("config")
        try:
            os.write(config, self._singer._config())
            self._child = subprocess.Popen(
                [*self._command, "--config", f"/dev/fd/{config}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(config,),
                start_new_session=True,
                cwd=self._home.name,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"HOME": self._home.name},
            )
        except OSError as error:
            self._home.cleanup()
            raise ConfigurationError(
                f"the tap does not start: {error}",
                remedy="see that options.tap names a program that this user may run",
                zh=f"tap 无法启动：{error}。请核对 options.tap。",
                field="options.tap",
            ) from error
        finally:
            os.close(config)
        with contextlib.suppress(OSError):  # it may have ended already
            resource.prlimit(self._child.pid, resource.RLIMIT_AS, (self._singer._options.memory,) * 2)
            resource.prlimit(self._child.pid, resource.RLIMIT_CORE, (0, 0))
        assert self._child.stdout is not None and self._child.stderr is not None
        self._threads = [
            threading.Thread(target=self._hear, args=(self._child.stdout,), daemon=True),
            threading.Thread(target=self._note, args=(self._child.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __iter__(self) -> Iterator[bytes]:
        while True:
            left = self._until - time.monotonic()
            try:
                line = self._lines.get(timeout=max(0.0, min(left, self._silence)))
            except queue.Empty:
                what = "is silent" if left > self._silence else "runs longer than it may"
                raise TransientError(
                    f"the tap {what}: {self._last_lines()}".rstrip(": "),
                    remedy="tried again by itself; if it lasts, see options.silence and options.longest, or the tap",
                    zh="tap 长时间无输出或运行超时，已结束，将自动重试；如持续，请调整 options.silence、options.longest 或检查 tap。",
                    code="tap_timeout",
                ) from None
            if line is _DONE:
                return
            yield line

    def ended(self) -> None:
        """After the last line. :raises OneMapError: it failed, or broke off within a line."""
        try:
            code = self._child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            code = None
        self._threads[1].join(5)
        if code or code is None or self._cut:
            what = "broke off within a line" if not code else f"ended with {code}"
            raise TransientError(
                f"the tap {what}: {self._last_lines()}".rstrip(": "),
                remedy="tried again by itself; if it lasts, what the tap says above tells why",
                zh=f"tap 异常结束（{code}），将自动重试；如持续，请查看其日志：{self._last_lines()}",
                code="tap_failed",
            )

    def __exit__(self, *_: object) -> None:
        self._gone.set()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for thread in self._threads:
            thread.join(5)
        for thread, stream in zip(self._threads, (self._child.stdout, self._child.stderr), strict=True):
            if stream is not None and not thread.is_alive():  # a grandchild of another session may hold it
                stream.close()
        self._home.cleanup()

    def _hear(self, stream: IO[bytes]) -> None:
        most = max(Limits.of(feed).page for feed in self._singer.source.feeds.values())
        line = b""
        while line := stream.readline(most + 1):
            self._cut = not line.endswith(b"\n")
            if not self._hand(line) or (self._cut and len(line) > most):
                break
        self._hand(_DONE)

    def _hand(self, what: Any) -> bool:
        """To the reader, while there is one."""
        while not self._gone.is_set():
            with contextlib.suppress(queue.Full):
                self._lines.put(what, timeout=0.5)
                return True
        return False

    def _note(self, stream: IO[bytes]) -> None:
        while line := stream.readline(4096):
            self._stderr.append(line.decode("utf-8", "replace").rstrip())

    def _last_lines(self) -> str:
        return depersonalise(str(redact(" | ".join(self._stderr))))[-1000:]


def _strings(value: Any) -> list[str]:
    """Every text within."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return [value] if isinstance(value, str) else []


def _read(line: bytes) -> _Message | None:
    """A message; None where the line is none."""
    try:
        return _message.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None


def _metadata(entry: dict[str, Any]) -> dict[str, Any]:
    """What the catalogue says of a stream as a whole."""
    return next((one.get("metadata") or {} for one in entry.get("metadata") or [] if not one.get("breadcrumb")), {})


def _batches(feed: Feed) -> ConfigurationError:
    return ConfigurationError(
        f"{feed.id}: the tap sends BATCH messages, which point to files of its own",
        remedy="take batch_config out of the tap's config",
        zh=f"数据项 {feed.id}：tap 以 BATCH 消息发送文件，请在其配置中去掉 batch_config。",
        feed=feed.id,
        field="options.config",
    )
