"""``signed_files``: zips from the provincial gateway (P2), docs/source-systems.md "P2 file mode".

Feed options::

    feed: land_approval         asks POST {base}/ebus/files/list for it
    page_size: 500
    rounds: 8                   as for ``signed_rest``
    table: 批文.csv              the zip's table (GB18030, header in its first line)
    shapes: 红线                 the zip's folder of boundary points, and the raw column that they become (GeoJSON text, EPSG:4490)
    shapes_by: 批文号            the table's column that names a shape's file (/ in it is _; full-width brackets are half-width)
    limits: {entry: …, rows: …}    see connectors/limits.py

A file is taken when its name is new or its md5 another one; the new one stands for the old one wholly (``scopes``).
One that does not match its size and md5, or is no zip to be trusted, is reported as an issue and asked for again next
time. State: ``{"taken": {name: md5}}``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import shapely

from connectors.base import Batch, Issue, Payload, Proof, Reject, Window
from connectors.decoders import csv_table, jsonrows, redline_txt
from connectors.decoders.archives import Archive, open_zip
from connectors.limits import Limits
from connectors.protocols.gateway import Gateway, unwrap
from connectors.protocols.over_http import HttpConnector
from core.errors import ProviderError, TransientError
from sources import options

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_LIST = "/ebus/files/list"
_DOWNLOADS = 3


class SignedFiles(HttpConnector):
    """P2."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.gateway = Gateway(source, endpoint)
        self.http = self.gateway.http

    def first_page(self, feed: Feed) -> str:
        page = self.gateway.page(
            _LIST, {"feed": options.of_feed("signed_files", feed).feed}, ("name",), 1, 1, retry=False
        )
        return f"{page.total} files"

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        taken: dict[str, str] = dict((state or {}).get("taken") or {})
        listed, verdict = self._listing(feed)
        issues: list[Issue] = []
        if not verdict.complete:
            issues.append(
                Issue(
                    "listing_unsettled",
                    f"{feed.id}: {verdict.why}; totalRow {verdict.claimed}, {verdict.distinct} files",
                )
            )
        failed = 0
        for file in listed.values():
            name, md5 = file.get("name") or "", (file.get("md5") or "").lower()
            if taken.get(name) == md5:
                continue
            try:
                payload = self._download(feed, file)
            except ProviderError as error:
                failed += 1
                issues.append(Issue(error.code, f"{feed.id}: {name}: {error.message}", record=name))
                continue
            yield payload
            taken[name] = md5
        complete = verdict.complete and not failed
        why = f"{verdict.why}; {failed} files to be asked for again" if failed else verdict.why
        yield Proof(complete, why, verdict.claimed, len(listed), {"taken": taken}, issues)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        source = payload.body if isinstance(payload.body, Path) else io.BytesIO(payload.body)
        name = str(payload.facts.get("file", ""))
        limits = Limits.of(feed)
        with open_zip(source, limits) as archive:
            yield _batch(feed, archive, name, limits)

    def _listing(self, feed: Feed) -> tuple[dict[str, dict[str, str | None]], Any]:
        """{name: the list's row}, oldest first, and the verdict. All of it each time: files may come late."""
        given = options.of_feed("signed_files", feed)
        listing = self.gateway.listing(
            _LIST,
            {"feed": given.feed},
            ("name",),
            feed=feed.id,
            page_size=given.page_size,
            open_end=True,
            rounds=given.rounds,
        )
        files: dict[str, dict[str, str | None]] = {}
        while True:
            try:
                page = next(listing)
            except StopIteration as stop:
                return dict(
                    sorted(files.items(), key=lambda item: (item[1].get("createTime") or "", item[0]))
                ), stop.value
            for row in jsonrows.rows(unwrap(page.answer.content)[0])[0]:
                values = {field: jsonrows.one(value) for field, value in row.items()}
                if values.get("name"):
                    files[str(values["name"])] = values

    def _download(self, feed: Feed, file: dict[str, str | None]) -> Payload:
        """A file, whole, as listed and safe to open. :raises ProviderError: it is not."""
        name, md5, size = str(file["name"]), (file.get("md5") or "").lower(), (file.get("size") or "").strip()
        to = self.folder() / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}-{md5[:8]}.zip"
        target = self.http.rebase(file.get("url") or "")
        for _ in range(_DOWNLOADS):
            to.unlink(missing_ok=True)
            answer = self.http.get(target, to=to, resume=True, classify=self._classify_file)
            digest = hashlib.md5(usedforsecurity=False)
            with to.open("rb") as opened:
                while chunk := opened.read(1 << 20):
                    digest.update(chunk)
            got = to.stat().st_size
            if digest.hexdigest() == md5 and (not size.isdigit() or int(size) == got):
                break
        else:
            raise ProviderError(
                f"{got} bytes with md5 {digest.hexdigest()}, listed {size} bytes with md5 {md5}",
                remedy="asked for again at the next run; if it lasts, tell the source's owner",
                zh=f"文件 {name} 与清单的大小或 md5 不符，下次运行将重新获取；如持续，请联系数源部门。",
                code="file_damaged",
            )
        with open_zip(to, Limits.of(feed)) as archive:
            archive.verify()
        answer.body = to
        return answer.payload(
            "application/zip", file=name, md5=md5, size=got, created=file.get("createTime"), scopes=[name]
        )

    def _classify_file(self, answer: Any) -> None:
        """A fault of the gateway may stand where a file should be, with HTTP 200."""
        self.gateway.classify(answer)
        if (
            answer.status < 300
            and "json" in answer.media_type
            and isinstance(answer.body, Path)
            and answer.body.stat().st_size < 1 << 20
        ):
            try:
                self.gateway.classify_list(answer)
            except TransientError:
                answer.body.unlink(missing_ok=True)
                raise


def _batch(feed: Feed, archive: Archive, name: str, limits: Limits) -> Batch:
    """A zip's rows, each with its shape. One batch: a file holds some hundred rows."""
    given = options.of_feed("signed_files", feed)
    table, folder, by = given.table, given.shapes, given.shapes_by
    found = next((entry for entry in archive.names if entry.rpartition("/")[2] == table), None)
    issues: list[Issue] = []
    if found is None:
        reject = Reject(name, "table_missing", f"the zip holds no {table}", ", ".join(archive.names)[:2000])
        return Batch(pa.table({"_place": pa.array([], pa.large_string())}), [reject], scope=name)
    columns, rows, rejects, found_issues = csv_table.read(archive.read(found), table, by, limits, known=(by, *feed.key))
    issues += found_issues
    shapes = {_plain(entry.rpartition("/")[2]): entry for entry in archive.names if _is_shape(entry, folder)}
    unused = dict(shapes)
    renamed: dict[str, str | None] = {}
    numbers = [row.get(by) or "" for _, row in rows]
    for number in dict.fromkeys(numbers):
        entry = shapes.get(_plain(f"{number}.txt"))
        unused.pop(_plain(f"{number}.txt"), None)
        if entry is None:
            issues.append(Issue("shape_missing", f"{name}: {number} has no {folder}/{number}.txt", number, folder))
            renamed[number] = None
            continue
        line = redline_txt.parse(archive.read(entry), limits)
        issues.extend(
            Issue(trouble.code, f"{name}: {entry}: {trouble.words}", number, folder) for trouble in line.troubles
        )
        renamed[number] = shapely.to_geojson(line.polygons) if line.polygons is not None else None
    rejected = {_plain(f"{reject.record}.txt") for reject in rejects if reject.record}
    issues.extend(
        Issue("row_missing", f"{name}: {entry} has no row in {table}", Path(entry).stem, by)
        for plain, entry in unused.items()
        if plain not in rejected
    )
    arrays = {column: pa.array([row.get(column) for _, row in rows], pa.large_string()) for column in columns}
    arrays[folder] = pa.array([renamed[number] for number in numbers], pa.large_string())
    arrays["_place"] = pa.array([place for place, _ in rows], pa.large_string())
    return Batch(pa.table(arrays), rejects, issues, scope=name)


def _is_shape(entry: str, folder: str) -> bool:
    parts = entry.split("/")
    return len(parts) > 1 and parts[-2] == folder and entry.lower().endswith(".txt")


def _plain(name: str) -> str:
    """As file names compare: brackets half-width, / as _, without case."""
    return csv_table.brackets(name).replace("/", "_").strip().lower()
