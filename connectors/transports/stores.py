"""Where files lie: SFTP, FTP, HTTP, a local folder, or any store that fsspec knows (S3 and others).

The Connection says which: of type ``sftp``, or with a host key, SFTP (:mod:`connectors.transports.sftp`); with a host
``http(s)://…`` an index page of links over HTTP; with ``extra.url`` an fsspec address (``ftp://host/path``, ``file:///srv/drop``, ``s3://bucket/prefix``), login and password in
their own fields and options of the store in ``extra.storage_options``. Nothing is written, moved or deleted.
"""

from __future__ import annotations

import calendar
import ftplib
import html
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from connectors.transports.http import Http, basic
from connectors.transports.sftp import Changed, Entry, Sftp, Vanished
from core.errors import AuthenticationError, ConfigurationError, OneMapError, TransientError
from core.redaction import hide
from sources.options.base import HttpSettings

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint

_PIECE = 1 << 20
_LINKS = re.compile(r"""<a\s[^>]*?href\s*=\s*["']([^"'#?]+)["']""", re.I)
_MOST_LINKS = 5000
_ATTEMPTS = 3
_NO_HEAD = (405, 501)


class Store(Protocol):
    """A tree of files that is read only."""

    name: str  # for receipts: where it is, without credentials

    def list(self, folder: str | bytes) -> list[Entry]:
        """What stands in a folder, by name. :raises Vanished: there is no such folder."""
        ...

    def small(self, entry: Entry, limit: int = 4096) -> bytes:
        """The first bytes of a small file. :raises Vanished: it is gone."""
        ...

    def download(self, entry: Entry, target: Path) -> None:
        """The whole file, as listed. :raises Changed: it is another one by now. :raises Vanished: it is gone."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


def open_store(endpoint: Endpoint, source: str, timeout: float) -> tuple[Store, str]:
    """(the store, its root). :raises ConfigurationError: the Connection names none that there is."""
    url = str(endpoint.extra.get("url") or "").strip()
    root = str(endpoint.extra.get("root") or "")
    if endpoint.conn_type == "sftp" or endpoint.extra.get("host_key"):
        return SftpStore(endpoint, timeout), root or "/out"
    if not url and endpoint.host.startswith(("http://", "https://")):
        return HttpStore(endpoint, source, timeout), root.strip("/")
    if not url and endpoint.conn_type == "ftp":
        url = f"ftp://{endpoint.host}/"
    if url:
        store = FsspecStore(endpoint, url, timeout)
        return store, f"{store.path}/{root.strip('/')}".rstrip("/") if root.strip("/") else store.path
    return SftpStore(endpoint, timeout), root or "/out"


class SftpStore(Sftp):
    """SFTP with a pinned host key."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        super().__init__(endpoint, timeout=timeout)
        self.name = f"sftp://{endpoint.host}:{endpoint.port or 22}"


class FsspecStore:
    """Any store that fsspec knows and whose package is installed."""

    def __init__(self, endpoint: Endpoint, url: str, timeout: float) -> None:
        import fsspec

        hide(endpoint.secrets)
        parts = urlsplit(url)
        if parts.password or parts.username:
            raise ConfigurationError(
                f"extra.url of Connection {endpoint.conn_id} holds credentials",
                remedy="login and password have fields of their own",
                zh=f"连接 {endpoint.conn_id} 的 extra.url 含账号口令，请填入各自的栏目。",
            )
        options: dict[str, Any] = dict(endpoint.extra.get("storage_options") or {})
        if parts.scheme == "ftp":
            options = {
                "host": parts.hostname,
                "port": parts.port or endpoint.port or 21,
                "username": endpoint.login or None,
                "password": endpoint.password or None,
                "timeout": timeout,
                **options,
            }
        elif parts.scheme in ("s3", "oss") and endpoint.login:
            options = {"key": endpoint.login, "secret": endpoint.password, **options}
        self.name = f"{parts.scheme}://{parts.netloc}"
        self.path = (
            parts.path.rstrip("/") if parts.scheme in ("ftp", "file") else f"{parts.netloc}{parts.path}".rstrip("/")
        )
        try:
            with _typed(f"open {self.name}"):
                self._fs = fsspec.filesystem(parts.scheme, **{**options, "skip_instance_cache": True})
        except (ImportError, ValueError) as error:
            raise ConfigurationError(
                f"extra.url of Connection {endpoint.conn_id}: no store for {parts.scheme}:// is installed: {error}",
                remedy="use sftp, ftp://, http(s):// or file://, or install the store's fsspec package beside the hub",
                zh=f"未安装 {parts.scheme}:// 存储的支持包，请改用 SFTP、FTP、HTTP 或本地目录，或安装相应的 fsspec 包。",
            ) from error

    def list(self, folder: str | bytes) -> list[Entry]:
        path = _text(folder)
        with _typed(f"list {path or '/'}"):
            self._fs.invalidate_cache()
            found = self._fs.ls(path or "/", detail=True)
        entries = []
        for about in found:
            full = str(about["name"]).rstrip("/")
            name = full.rpartition("/")[2]
            if full.strip("/") != path.strip("/"):
                entries.append(
                    Entry(
                        name, full.encode(), int(about.get("size") or 0), _moment(about), about["type"] == "directory"
                    )
                )
        return sorted(entries, key=lambda entry: entry.name)

    def small(self, entry: Entry, limit: int = 4096) -> bytes:
        with _typed(f"read {entry.name}"), self._fs.open(entry.path.decode(), "rb") as file:
            held: bytes = file.read(limit)
            return held

    def download(self, entry: Entry, target: Path) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with _typed(f"download {entry.name}"):
                    with self._fs.open(entry.path.decode(), "rb") as file, target.open("wb") as copy:
                        while piece := file.read(_PIECE):
                            copy.write(piece)
                    about = self._fs.info(entry.path.decode())
                break
            except Vanished:
                raise
            except TransientError:
                if attempt == _ATTEMPTS:
                    raise
        now = int(about.get("size") or 0)
        if target.stat().st_size != entry.size or now != entry.size:
            raise _changed(entry, target.stat().st_size)

    def close(self) -> None:
        if ftp := getattr(self._fs, "ftp", None):
            ftp.close()


class HttpStore:
    """Files behind links of an index page; what a file is at the moment, its headers say."""

    def __init__(self, endpoint: Endpoint, source: str, timeout: float) -> None:
        self._http = Http(endpoint, source, HttpSettings(read=timeout), sign=basic(endpoint))
        self.name = self._http.origin
        self._heads = True

    def list(self, folder: str | bytes) -> list[Entry]:
        path = _text(folder).strip("/")
        answer = self._asked("GET", f"{quote(path)}/" if path else "", f"list {path or '/'}")
        page = answer.content.decode("utf-8", "replace")
        names = dict.fromkeys(_name(html.unescape(link)) for link in _LINKS.findall(page)[:_MOST_LINKS])
        entries = []
        for name in filter(None, names):
            plain = name.rstrip("/")
            full = f"{path}/{plain}".lstrip("/")
            if name.endswith("/"):
                entries.append(Entry(plain, full.encode(), 0, 0, True))
                continue
            about = self._about(full, plain)
            size = about.get("Content-Length") or "0"
            entries.append(Entry(plain, full.encode(), int(size) if size.isdigit() else 0, _served(about), False))
        return sorted(entries, key=lambda entry: entry.name)

    def _about(self, path: str, name: str) -> Any:
        """A file's headers. A server that knows no HEAD is asked for the file, and only its headers are read."""
        if self._heads:
            answer = self._asked("HEAD", quote(path), f"look at {name}", accept=_NO_HEAD)
            if answer.status not in _NO_HEAD:
                return answer.headers
            self._heads = False
        return self._asked("GET", quote(path), f"look at {name}", unread=True).headers

    def small(self, entry: Entry, limit: int = 4096) -> bytes:
        return self._asked("GET", quote(entry.path.decode()), f"read {entry.name}").content[:limit]

    def download(self, entry: Entry, target: Path) -> None:
        target.unlink(missing_ok=True)
        answer = self._asked("GET", quote(entry.path.decode()), f"download {entry.name}", to=target, resume=True)
        if entry.mark != [target.stat().st_size, _served(answer.headers)] and entry.size:
            raise _changed(entry, target.stat().st_size)

    def close(self) -> None:
        self._http.close()

    def _asked(self, method: str, path: str, what: str, **more: Any) -> Any:
        try:
            return self._http.send(method, path, **more)
        except ConfigurationError as error:
            if error.code in ("http_404", "http_410"):
                raise Vanished(f"{what}: it is not there", remedy=error.remedy, zh=error.zh) from error
            raise


def _name(link: str) -> str:
    """A link of the page itself: a name in this folder; "" for what leads elsewhere."""
    plain = unquote(link.removeprefix("./"))
    return "" if "://" in plain or plain.startswith(("/", "..", "?", "mailto:")) or "/" in plain.rstrip("/") else plain


def _served(headers: Any) -> int:
    """``Last-Modified`` as Unix seconds, else a number of the ETag; 0 without both: then no one knows."""
    try:
        return int(parsedate_to_datetime(headers.get("Last-Modified") or "").timestamp())
    except (TypeError, ValueError):
        return zlib.crc32((headers.get("ETag") or "").encode())


def _moment(about: dict[str, Any]) -> int:
    """When a file was changed, in Unix seconds, however its store says it; 0 where it does not."""
    for name in ("mtime", "modify", "LastModified", "last_modified", "created"):
        value = about.get(name)
        if isinstance(value, datetime):
            return int(value.timestamp())
        if isinstance(value, int | float):
            return int(value)
        if isinstance(value, str) and re.fullmatch(r"\d{14}(\.\d+)?", value):  # FTP's MLSD
            return calendar.timegm(datetime.strptime(value[:14], "%Y%m%d%H%M%S").timetuple())
    return 0


def _text(path: str | bytes) -> str:
    return path if isinstance(path, str) else path.decode()


def _changed(entry: Entry, size: int) -> Changed:
    return Changed(
        f"{entry.name} has {size} bytes or another time, its listing says {entry.size}",
        remedy="it is being written or sent again; the next run looks again",
        zh=f"文件 {entry.name} 与目录所列不同：可能仍在写入或重新发送，下次运行再取。",
    )


@contextmanager
def _typed(what: str) -> Iterator[None]:
    """What a store says, by whose fault it is."""
    try:
        yield
    except OneMapError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Vanished(
            f"{what}: it is not there",
            remedy="check url and root of the Connection, or ask the source where the file went",
            zh=f"找不到目标（{what}）：请核对连接的 url 与 root，或向数源方确认文件去向。",
        ) from error
    except (PermissionError, ftplib.error_perm) as error:
        if str(error).startswith("550"):
            raise Vanished(f"{what}: it is not there", zh=f"找不到目标（{what}）。") from error
        raise AuthenticationError(
            f"{what}: the store refused us: {type(error).__name__}",
            remedy="check login and password of the Connection, and what the source lets this account read",
            zh=f"文件存储拒绝访问（{what}）：请核对连接的账号口令与目录权限。",
        ) from error
    except ftplib.all_errors as error:  # errors of the network among them
        raise TransientError(
            f"{what}: {type(error).__name__} {error}".strip(),
            remedy="the hub tries again by itself; if it lasts, ask the source whether its server is up and reachable",
            zh=f"文件存储暂不可用（{what}），系统将自动重试；若持续，请向数源方确认服务器是否可达。",
        ) from error
