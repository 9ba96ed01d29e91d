"""数据试报: a provider drops a file or pastes records, and sees what the hub would say of them. Nothing is stored."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.types import Message

from core.errors import TransientError
from serving import trying
from serving.access import Grant
from serving.pages.answering import Who, logged, rendered
from sources import loader
from sources.declaration import Feed

router = APIRouter(prefix="/tryout")
_FORM = 64 << 10  # bytes of a form besides what is handed over
PASTED = 2 << 20  # bytes of records in the text field


@router.get("", response_class=HTMLResponse)
def listed(request: Request, who: Who) -> Response:
    """The feeds that who asks may try."""
    _may(who)
    found = trying.feeds(who)
    answer = rendered(
        "tryouts.html.j2", request, feeds=[(feed, loader.load(id.partition(".")[0])) for id, feed in found.items()]
    )
    return logged(request, who, answer, len(found))


@router.get("/{feed}", response_class=HTMLResponse)
def form(request: Request, feed: str, who: Who) -> Response:
    """What to hand over for a feed."""
    found = _feed(who, feed)
    return logged(request, who, _shown(request, who, found), 1)


@router.post("/{feed}", response_class=HTMLResponse)
async def judged(request: Request, feed: str, who: Who) -> Response:
    """The verdict, on the same page."""
    found = await run_in_threadpool(_feed, who, feed)
    with tempfile.TemporaryDirectory(prefix="onemap-tryout-") as folder:
        body = Path(folder) / "body"
        name, records = await _handed(request, body, trying.most(found))
        try:
            verdict = await run_in_threadpool(trying.verdict, who, found, body, name, records=records)
        except TransientError as error:
            raise HTTPException(503, error.zh, {"Retry-After": "10"}) from error
    answer = await run_in_threadpool(_shown, request, who, found, told=verdict)
    return await run_in_threadpool(logged, request, who, answer, verdict["rows_in"])


async def _handed(request: Request, body: Path, most: int) -> tuple[str, bool]:
    """Write what the form brings to ``body``; its name, and whether it is records. :raises HTTPException: none, or too large."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > most + _FORM:
            raise trying.TooLargeError(most)
        return message

    try:
        async with Request(request.scope, receive).form(max_files=1, max_fields=2, max_part_size=PASTED) as sent:
            file, pasted = sent.get("file"), sent.get("records")
            if isinstance(file, UploadFile) and file.size:
                if file.size > most:
                    raise trying.TooLargeError(most)
                with body.open("wb") as target:
                    await run_in_threadpool(shutil.copyfileobj, file.file, target)
                name = (file.filename or "").replace("\x00", "")[:200]
                return name, sent.get("as") == "records"
    except trying.TooLargeError as error:
        raise HTTPException(413, f"该数据项的文件至多 {error.most:,} 字节，请分成几份。") from error
    if not isinstance(pasted, str) or not pasted.strip():
        raise HTTPException(400, "请选择文件（不能是空文件），或粘贴记录。")
    body.write_text(pasted, "utf-8", errors="replace")
    return "", True


def _shown(request: Request, who: Grant, feed: Feed, told: dict[str, Any] | None = None) -> HTMLResponse:
    source = loader.load(feed.id.partition(".")[0])
    files = feed.options.get("files") if source.protocol == "file_drop" else None
    return rendered(
        "tryout.html.j2", request, f=feed, source=source, files=files, most=trying.most(feed), told=told, raw=who.raw
    )


def _may(who: Grant) -> None:
    if not trying.may(who):
        raise HTTPException(403, "试报只对有操作权限的人员，以及数源部门自己的数据项开放。")


def _feed(who: Grant, feed: str) -> Feed:
    _may(who)
    known = trying.feeds(who)
    if feed not in known:
        raise HTTPException(404, f"没有数据项 {feed}，或不由贵部门提供。")
    return known[feed]
