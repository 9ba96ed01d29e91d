"""What P1 and P2 share: the signed calls of the provincial gateway, its two layers of codes, its listings.

docs/source-systems.md "P1"; ``schemas/contracts/p1.openapi.yaml``, ``Envelope``.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.decoders import jsonrows
from connectors.paging import settling
from connectors.paging.progress import Nameless, Progress
from connectors.transports.http import Again, Answer, Http, retry_after
from connectors.transports.signing import GatewaySigner
from core.errors import AuthenticationError, InternalError, ProviderError, TransientError

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Source

_layer = msgspec.json.Decoder(dict[str, msgspec.Raw])
LIST = "list"  # the field of a page that holds its rows


class Gateway:
    """Signed calls, checked in both layers."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        self.signer = GatewaySigner(endpoint)
        self.http = Http.of(source, endpoint, sign=self.signer, classify=self.classify)

    def listing(
        self,
        path: str,
        body: dict[str, Any],
        key: Sequence[str],
        *,
        feed: str,
        page_size: int,
        open_end: bool,
        rounds: int,
    ) -> Generator[settling.Page, None, settling.Verdict]:
        """Read ``path`` until it has settled; each page's ``answer`` is the :class:`~connectors.transports.http.Answer`."""

        def page(number: int) -> settling.Page:
            return self.page(path, body, key, number, page_size)

        return settling.read(page, open_end=open_end, rounds=rounds, progress=lambda: Progress(feed, key))

    def page(
        self, path: str, body: dict[str, Any], key: Sequence[str], number: int, page_size: int, *, retry: bool = True
    ) -> settling.Page:
        """One page of a listing."""
        answer = self.http.post(
            path, json={"pageNumber": number, "pageSize": page_size, **body}, retry=retry, classify=self.classify_list
        )
        listed, total, pages = unwrap(answer.content)
        objects, places, rejects = jsonrows.rows(listed)
        rows: dict[Hashable, int] = {_key(row, key): _mark(row) for row in objects}
        rows.update({Nameless(hash(reject.raw)): hash(reject.raw) for reject in rejects})
        columns = frozenset(name for row in objects for name in row)
        return settling.Page(number, rows, total, pages, answer, columns)

    def classify(self, answer: Answer) -> None:
        """The gateway's own faults, whatever is asked (files too)."""
        if answer.status >= 500 or answer.status in (400, 401, 403):
            document = _object(answer.content)
            if document and jsonrows.one(document.get("code")) == "400001":
                self._refused(answer, jsonrows.one(document.get("msg")) or "")

    def classify_list(self, answer: Answer) -> None:
        """:meth:`classify`, and both layers of an answer to a query."""
        self.classify(answer)
        if answer.status >= 300:
            return
        outer = _object(answer.content)
        if outer is None:
            raise _retried("the answer is no JSON object", "响应不是 JSON 对象", "not_json")
        if jsonrows.one(outer.get("code")) == "400001":
            self._refused(answer, jsonrows.one(outer.get("msg")) or "")
        _raise_for_code(jsonrows.one(outer.get("errcode")), jsonrows.one(outer.get("errmsg")), None, answer, "outer")
        inner = _object(outer.get("data"))
        if inner is None:
            raise _retried("errcode 0 without data", "返回码为 0 但没有数据", "no_data")
        status = jsonrows.one(inner.get("status"))
        _raise_for_code(jsonrows.one(inner.get("code")), jsonrows.one(inner.get("message")), status, answer, "inner")
        try:
            listed, total, _ = unwrap(answer.content)
            empty = not jsonrows.rows(listed)[0]
        except (ValueError, msgspec.DecodeError) as error:
            raise _retried(
                f"code 0 without a list and its totals: {error}", "返回码为 0 但缺少列表或总数", "no_list"
            ) from error
        if empty and total:
            raise _retried(f"an empty list though totalRow is {total}", f"列表为空但 totalRow 为 {total}", "empty_list")

    def _refused(self, answer: Answer, message: str) -> None:
        """400001: correct the clock once; else it is ours to mend, and not tried again."""
        ahead = self.http.server_offset
        error = AuthenticationError(
            f"the gateway refuses our signature: {message}",
            remedy="check PaasId (login), token (password) and header_prefix of the Connection"
            + (f"; the gateway's clock is {ahead:+.0f} s from ours" if ahead is not None else ""),
            zh=f"省平台网关鉴权失败：{message} 请核对连接中的 PaasId、token、header_prefix 及本机时钟。",
            code="400001",
        )
        if ahead is not None and answer.server_date is not None and self.signer.correct(ahead):
            raise Again(error)
        raise error


def unwrap(body: bytes) -> tuple[bytes, int, int]:
    """An answer's list (a JSON array), totalRow, totalPage. :raises ValueError: they do not stand there."""
    data = _object((_object(_field(_object(body), "data")) or {}).get("data"))
    if data is None:
        raise ValueError("no data.data")
    listed = bytes(data.get(LIST, b"null"))
    total, pages = _count(data, "totalRow"), _count(data, "totalPage")
    return (b"[]" if listed == b"null" else listed), total, pages


def _count(data: dict[str, msgspec.Raw], name: str) -> int:
    text = jsonrows.one(data.get(name))
    if text is None or not text.strip().isdigit():
        raise ValueError(f"{name} is {text!r}")
    return int(text)


def _field(layer: dict[str, msgspec.Raw] | None, name: str) -> msgspec.Raw | None:
    return layer.get(name) if layer else None


def _object(value: bytes | msgspec.Raw | None) -> dict[str, msgspec.Raw] | None:
    """A JSON object's fields; None when it is none."""
    if value is None:
        return None
    try:
        return _layer.decode(jsonrows.clean(value) if isinstance(value, bytes) else value)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return _layer.decode(jsonrows.sound(bytes(value), LIST)[0])
    except (ValueError, RecursionError, ProviderError):
        return None


def _key(row: dict[str, msgspec.Raw], names: Sequence[str]) -> tuple[Any, ...]:
    """What tells a row from another: its key, else its content, since several may lack a key."""
    key = tuple(jsonrows.one(row.get(name)) for name in names)
    return key if any(key) else Nameless(_mark(row))


def _mark(row: dict[str, msgspec.Raw]) -> int:
    return hash(frozenset((name, bytes(value)) for name, value in row.items()))


def _retried(message: str, zh: str, code: str) -> TransientError:
    return TransientError(
        message,
        remedy="tried again by itself; if it lasts, tell the platform's operator",
        zh=f"省平台{zh}，将自动重试；如持续，请联系省平台运维。",
        code=code,
    )


def _raise_for_code(code: str | None, message: str | None, status: str | None, answer: Answer, layer: str) -> None:
    """A layer's code; "0" passes."""
    if code == "0":
        return
    text = f"{layer} code {code}: {message or ''}".strip()
    if code == "E-106" or status in ("401", "403"):
        raise AuthenticationError(
            f"not authorised for this service, {text}",
            remedy="apply for the service on the platform (资源申请), then run again",
            zh=f"未获授权访问该服务（{code} {message or ''}），请在省平台申请资源授权。",
            code="E-106",
        )
    if code == "E-429" or status == "429":
        raise TransientError(
            f"the platform's quota is used up, {text}",
            retry_after=retry_after(answer.headers),
            remedy="tried again by itself; lower quota in the declaration, or have more granted",
            zh=f"省平台调用频次已满（{code} {message or ''}），将自动重试；可调低声明中的 quota 或申请更高频次。",
            code="E-429",
        )
    if code == "E-400" or status == "400":
        raise InternalError(
            f"the platform says that our request is wrong, {text}",
            remedy="compare the feed's options with the service's contract (docs/source-systems.md, P1)",
            zh=f"省平台认为请求有误（{code} {message or ''}），请对照接口约定检查声明。",
            code="E-400",
        )
    if layer == "outer" or code is None or (status or "").startswith("5"):
        raise _retried(text, f"返回错误（{code} {message or ''}）", f"errcode {code}")
    raise ProviderError(
        f"a code that the contract does not know, {text}",
        remedy="ask the platform's operator what it means",
        zh=f"省平台返回约定之外的代码（{code} {message or ''}），请联系省平台运维。",
        code=code,
    )
