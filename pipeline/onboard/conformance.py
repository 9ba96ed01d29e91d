"""The conformance kit of a declared source, against the live system: ``onemap source test``. Writes nothing to the store.

Each feed is asked what every connector and mapping of the hub has to hold: declaration, reach, columns, keys, windows that
neither lose nor double, a second reading and a replay from the bytes with the same hashes, going on after a kill, clocks,
redaction, hostile answers, and its mapping tests.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pyarrow as pa

from connectors.base import Batch, Connector, Payload, Proof, Reject, Window
from core import clock
from core.errors import OneMapError
from core.redaction import redact
from mappings import cases, paths
from mappings.compiler import Mapping
from pipeline import diagnose, registry
from pipeline.decode import of_payload
from sources.declaration import Feed, Source

_MOST = 50_000  # rows of a reading that are looked at
_HOSTILE = (
    b"",
    b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    b'{"code": 500, "message": "system busy", "data": null}',
    b"\xff\xfe\x00PK\x03\x04" + bytes(range(256)),
    b"[" * 5000,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One test. ``ok`` None: it does not apply, ``detail`` says why."""

    feed: str
    name: str
    ok: bool | None
    detail: str = ""
    remedy: str = ""


@dataclass
class _Reading:
    payloads: list[Payload] = field(default_factory=list)
    proof: Proof | None = None
    rows: pa.Table = field(default_factory=lambda: pa.table({}))
    rejects: int = 0

    def bodies(self) -> list[Payload]:
        return [replace(p, body=p.body.read_bytes()) if isinstance(p.body, Path) else p for p in self.payloads]


def run(source_id: str, wanted: list[str] | None = None) -> Iterator[Line]:
    """Every line of a source's feeds, or of those wanted, as it is known.

    :raises ConfigurationError: there is no such source.
    """
    checked = diagnose.check(source_id)
    for line in checked:
        yield Line(source_id, f"check · {line.what}", line.ok, line.detail, line.remedy)
    if source_id in registry.broken() or not all(line.ok for line in checked):
        return
    source = registry.source(source_id)
    for feed in registry.feeds(source, wanted):
        yield from _feed(source, feed)


def _feed(source: Source, feed: Feed) -> Iterator[Line]:
    mapping = registry.mapping(feed)
    if feed.cursor.kind == "stream":
        yield Line(feed.id, "读取 reading", None, "流：取走的消息不会再来，不作读取测试 a stream is not read by tests")
        yield from _cases(feed)
        return
    try:
        with_keys = _read(source, feed, _window(source, feed))
    except OneMapError as error:
        yield Line(feed.id, "读取 reading", False, error.zh or error.message, error.remedy or "")
        return
    yield Line(
        feed.id,
        "读取 reading",
        with_keys.proof is not None and with_keys.proof.complete,
        f"{with_keys.rows.num_rows:,} 行 rows; {with_keys.proof.why if with_keys.proof else 'no proof'}",
        "完整性未被证明：核对分页、总数与主键的声明 correct paging, total and key",
    )
    for name, test in _TESTS.items():
        try:
            yield test(name, source, feed, mapping, with_keys)
        except OneMapError as error:
            yield Line(feed.id, name, False, error.zh or error.message, error.remedy or "")
    yield from _cases(feed)


def _window(source: Source, feed: Feed) -> Window:
    """What a first sync would read, the latest part of it."""
    connector = registry.connector(source)
    try:
        planned = connector.plan(feed, [], None, clock.now())
    finally:
        connector.close()
    return planned[-1] if planned else Window(full=True)


def _read(source: Source, feed: Feed, window: Window, *, stop: int | None = None) -> _Reading:
    """A whole reading with a connector of its own, as each task has one; ``stop``: payloads after which it is killed."""
    connector = registry.connector(source)
    read, tables, count = _Reading(), [], 0
    try:
        fetching = connector.fetch(feed, window, None)
        for part in fetching:
            if isinstance(part, Proof):
                read.proof = part
                continue
            read.payloads.append(part)
            for batch in of_payload(connector, feed, part):
                read.rejects += 1 if isinstance(batch, Reject) else len(batch.rejects)
                if isinstance(batch, Batch) and batch.rows.num_rows and count < _MOST:
                    tables.append(batch.rows)
                    count += batch.rows.num_rows
            if stop is not None and len(read.payloads) >= stop:
                fetching.close()  # type: ignore[attr-defined]
                break
        read.payloads = read.bodies()
    finally:
        connector.close()
    if tables:
        read.rows = pa.concat_tables(tables, promote_options="default")
    return read


def _hash(mapping: Mapping, rows: pa.Table) -> str:
    """Of keys and contents, whatever the order."""
    if not rows.num_rows:
        return hashlib.sha256().hexdigest()
    records = mapping.apply(rows).records.select("record_key", "raw").sort("record_key", "raw")
    return hashlib.sha256(records.write_json().encode()).hexdigest()


def _keys(mapping: Mapping, rows: pa.Table) -> list[str]:
    return mapping.apply(rows).records["record_key"].to_list() if rows.num_rows else []


# -- the tests


def _columns(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    if not reading.rows.num_rows:
        return Line(feed.id, name, None, "窗口内没有记录 no rows")
    mapped = mapping.apply(reading.rows)
    unknown = sorted({issue.field for issue in mapped.issues if issue.code == "unknown_column"})
    needed = {column for part in mapping.declaration.key for column in part.columns}
    there = {column.casefold() for column in reading.rows.column_names}
    lacking = sorted(c for c in needed if paths.base(c).casefold() not in there)
    detail = "; ".join(
        [
            *([f"未声明的列 unknown: {', '.join(unknown)}"] if unknown else []),
            *([f"缺少 lacking: {lacking}"] if lacking else []),
        ]
    )
    return Line(feed.id, name, not unknown and not lacking, detail, "在映射中使用该列，或列入 ignore")


def _unique(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    if not reading.rows.num_rows:
        return Line(feed.id, name, None, "窗口内没有记录 no rows")
    mapped = mapping.apply(reading.rows)
    missing = mapped.rejects.filter(pl.col("code") == "missing_key").height
    content = Counter(mapped.records.select("record_key", "source_time", "rank").iter_rows())
    doubled = [key for (key, *_), n in content.items() if n > 1]
    detail = f"{mapped.records['record_key'].n_unique():,} 个主键 keys"
    if missing:
        detail += f"；{missing} 行缺主键"
    if doubled:
        detail += f"；{len(doubled)} 个主键重复，如 {doubled[0]}"
    return Line(feed.id, name, not missing and not doubled, detail, "主键不能唯一标识一行：更正映射的 key")


def _mapped(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    if not reading.rows.num_rows:
        return Line(feed.id, name, None, "窗口内没有记录 no rows")
    mapped = mapping.apply(reading.rows)
    bad = mapped.rejects["_row"].n_unique() + reading.rejects
    reasons = Counter(f"{r['code']} {r['field']}" for r in mapped.rejects.to_dicts()).most_common(3)
    share = bad / (reading.rows.num_rows + reading.rejects)
    text = "、".join(f"{reason} ×{n}" for reason, n in reasons)
    return Line(
        feed.id, name, share <= feed.max_rejected, f"{share:.1%} 被拒 rejected {text}", "onemap source preview 查看原因"
    )


def _windows(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    """Two halves are the whole: nothing lost, nothing twice."""
    cursor = feed.cursor
    if cursor.kind != "window" or mapping.declaration.time is None or reading.rows.num_rows < 2:
        return Line(feed.id, name, None, f"增量方式 {cursor.kind}，不分窗口 no windows")
    times = mapping.apply(reading.rows).records["source_time"].drop_nulls().sort()
    if len(times) < 2 or times[0] == times[-1]:
        return Line(feed.id, name, None, "记录时间都相同 all of one time")
    middle: datetime = times[len(times) // 2]  # a bound that rows lie on: half-open windows show here
    begin, end = times[0], times[-1] + timedelta(seconds=1)
    whole = Counter(_keys(mapping, _read(source, feed, Window(begin, end)).rows))
    parts = Counter(
        key
        for a, b in ((begin, middle), (middle, end))
        for key in _keys(mapping, _read(source, feed, Window(a, b)).rows)
    )
    lost, twice = whole - parts, parts - whole
    loose = sum(1 for key in twice if whole.get(key))  # rows without an increment come with every window
    detail = f"{sum(whole.values()):,} = {sum(parts.values()):,}"
    if lost or twice:
        detail = f"分界 {middle}：丢失 lost {sum(lost.values())}，重复 twice {sum(twice.values())}"
        if loose == sum(twice.values()) and not lost:
            return Line(feed.id, name, None, f"{detail}：无增量时间的记录随每个窗口而来")
    return Line(feed.id, name, not lost and not twice, detail, "窗口须含起点、不含终点：核对 since/until 与时间格式")


def _again(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    connector = registry.decoder(source)
    try:
        tables = [
            batch.rows
            for payload in reading.payloads
            for batch in of_payload(connector, feed, _travelled(payload))
            if isinstance(batch, Batch) and batch.rows.num_rows
        ]
    finally:
        connector.close()
    rows = pa.concat_tables(tables, promote_options="default") if tables else pa.table({})
    first, second = _hash(mapping, reading.rows), _hash(mapping, rows.slice(0, reading.rows.num_rows))
    return Line(feed.id, name, first == second, f"{first[:12]} {'=' if first == second else '≠'} {second[:12]}")


def _travelled(payload: Payload) -> Payload:
    """As the archive gives it back: request and facts went through JSON."""
    return replace(
        payload,
        request=json.loads(json.dumps(payload.request, default=str)),
        facts=json.loads(json.dumps(payload.facts, default=str)),
    )


def _killed(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    """A reading that is killed after its first answer; the next one has everything."""
    window = _window(source, feed)
    _read(source, feed, window, stop=1)
    again = set(_keys(mapping, _read(source, feed, window).rows))
    lost = set(_keys(mapping, reading.rows)) - again
    detail = f"{len(again):,} 个主键 keys" + (f"，少 {len(lost)} 个" if lost else "")
    return Line(feed.id, name, not lost, detail, "数源在两次读取之间删除了记录，或读取有状态")


def _clocks(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    """Our clock an hour behind or ahead: a window never ends after the time that was planned for."""
    now = clock.now()
    connector = registry.connector(source)
    try:
        late = [
            window
            for off in (timedelta(hours=-1), timedelta(), timedelta(hours=1))
            for window in connector.plan(feed, [], None, now + off)
            if window.end is not None and window.end > now + off
        ]
    finally:
        connector.close()
    return Line(feed.id, name, not late, f"窗口超出计划时刻：{late[0]}" if late else "")


def _secrets(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    """No secret of the Connection in what would be kept of a request."""
    connector = registry.connector(source)
    secrets = [secret for secret in connector.endpoint.secrets if len(secret) >= 4]
    connector.close()
    text = json.dumps([[redact(p.request), redact(p.facts)] for p in reading.payloads], default=str, ensure_ascii=False)
    found = sum(1 for secret in secrets if secret in text)
    return Line(feed.id, name, not found, f"{found} 个密钥出现在收据中" if found else f"{len(secrets)} 个密钥均未出现")


def _hostile(name: str, source: Source, feed: Feed, mapping: Mapping, reading: _Reading) -> Line:
    """An error page, half an answer, bytes without meaning: rejected whole or in part, never believed, never a crash."""
    if not reading.payloads:
        return Line(feed.id, name, None, "没有应答可供改坏 no answer")
    model = reading.payloads[0]
    assert isinstance(model.body, bytes)
    bodies = [*_HOSTILE, model.body[: len(model.body) // 2], model.body[:-1]]
    connector: Connector = registry.decoder(source)
    believed = []
    quiet = logging.getLogger("pipeline.decode")
    level = quiet.level
    quiet.setLevel(logging.ERROR)  # what is broken on purpose is no news
    try:
        for body in bodies:
            rows = 0
            for batch in of_payload(connector, feed, replace(_travelled(model), body=body)):
                rows += batch.rows.num_rows if isinstance(batch, Batch) else 0
            if body in _HOSTILE and rows:
                believed.append(body[:20])
    finally:
        quiet.setLevel(level)
        connector.close()
    return Line(feed.id, name, not believed, f"被当作记录：{believed}" if believed else f"{len(bodies)} 种坏应答")


_TESTS: dict[str, Callable[[str, Source, Feed, Mapping, _Reading], Line]] = {
    "列 columns": _columns,
    "主键 keys": _unique,
    "映射 mapping": _mapped,
    "窗口 windows": _windows,
    "重放 replay": _again,
    "中断后续读 resume": _killed,
    "时钟偏差 clock": _clocks,
    "脱敏 redaction": _secrets,
    "坏应答 hostile": _hostile,
}


def _cases(feed: Feed) -> Iterator[Line]:
    path = cases.of_feed(feed.mapping.replace("/", "."))
    if path is None:
        yield Line(feed.id, "映射用例 cases", None, f"没有 mappings/{feed.mapping.replace('/', '/tests/')}.yaml")
        return
    try:
        for result in cases.run(path):
            yield Line(feed.id, f"映射用例 · {result.name}", not result.wrong, "; ".join(result.wrong) or result.where)
    except OneMapError as error:
        yield Line(feed.id, "映射用例 cases", False, error.zh or error.message, error.remedy or "")


def junit(source_id: str, lines: list[Line]) -> str:
    """The lines as JUnit XML."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"onemap source test {source_id}",
        tests=str(len(lines)),
        failures=str(sum(line.ok is False for line in lines)),
        skipped=str(sum(line.ok is None for line in lines)),
    )
    for line in lines:
        case = ElementTree.SubElement(suite, "testcase", classname=line.feed, name=line.name)
        if line.ok is False:
            ElementTree.SubElement(case, "failure", message=redact(line.detail)).text = line.remedy
        elif line.ok is None:
            ElementTree.SubElement(case, "skipped", message=line.detail)
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"
