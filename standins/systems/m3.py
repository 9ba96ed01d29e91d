"""M3 work orders: taken with idempotency keys and revisions, and answered by departments as the world's clock moves.

A department signs for an order (签收) within half a day, answers (反馈) in one to three, and asks to have it closed
(核销) a day later; one in ten never stirs until it is urged or the matter is escalated. Which, and when, depends on
the number of the order alone. Everything is kept in ``m3.sqlite3`` of the run folder.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.context import Context
from standins.forms import dice, stamp, when
from standins.http import json_answer
from standins.systems.m1 import Tokens, cursor_of, error, position_of

ACTIONS = ("dispatch", "urge", "escalate", "close", "reopen")
REQUIRED = (
    "work_order_no",
    "revision",
    "action",
    "finding_id",
    "rule",
    "department_code",
    "title",
    "severity",
    "dispatched_at",
)
PAGE = 100
KEY_DAYS = 30

_TABLES = """
create table if not exists taken (work_order_no text, revision integer, body text not null, received_at text not null,
    primary key (work_order_no, revision));
create table if not exists idempotency (key text primary key, digest text not null, answer text not null, at text not null);
create table if not exists planned (at text not null, work_order_no text not null, row text not null);
create table if not exists told (seq integer primary key autoincrement, row text not null);
"""


class WorkOrders:
    """Orders received, and the updates that the departments make of them."""

    def __init__(self, ctx: Context, tokens: Tokens) -> None:
        self.ctx = ctx
        self.tokens = tokens
        self._opened: sqlite3.Connection | None = None

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/work-orders", self.post, methods=["POST"]),
            Route("/api/v1/work-orders/updates", self.updates),
        ]

    def open(self) -> None:
        """What was received in earlier runs is there again."""
        path: Path = self.ctx.home / "m3.sqlite3"
        self._opened = sqlite3.connect(path, check_same_thread=False)
        self._store.executescript(_TABLES)

    def close(self) -> None:
        if self._opened:
            self._opened.close()

    @property
    def _store(self) -> sqlite3.Connection:
        assert self._opened is not None, "open() comes first"
        return self._opened

    async def post(self, request: Request) -> Response:
        """POST /api/v1/work-orders"""
        if refused := self.tokens.refuse("m3", request):
            return refused
        body = await request.body()
        key = request.headers.get("idempotency-key", "")
        if not key:
            return error(400, "bad_body", "缺少 Idempotency-Key")
        digest = hashlib.sha256(body).hexdigest()
        known = self._store.execute("select digest, answer from idempotency where key = ?", [key]).fetchone()
        if known:
            if known[0] != digest:
                return error(422, "idempotency_key_reused", "同一 Idempotency-Key 的内容不同")
            return json_answer(json.loads(known[1]), 201)
        try:
            order = json.loads(body)
            missing = [name for name in REQUIRED if order.get(name) in (None, "")]
        except (ValueError, AttributeError):
            return error(400, "bad_body", "请求体须为 JSON 对象")
        if missing or not _sound(order):
            return error(400, "bad_body", f"字段缺失或有误：{'、'.join(missing) or 'revision、action、severity、时间'}")
        number, revision = order["work_order_no"], order["revision"]
        last = self._store.execute("select max(revision) from taken where work_order_no = ?", [number]).fetchone()[0]
        if last is not None and revision <= last:
            return error(409, "old_revision", f"工单 {number} 已有修订 {last}")
        now = self.ctx.now()
        answer = {
            "id": f"GD{dice(number):010d}",
            "work_order_no": number,
            "revision": revision,
            "received_at": stamp(now),
        }
        with self._store:
            self._store.execute("insert into taken values (?, ?, ?, ?)", [number, revision, body.decode(), stamp(now)])
            self._store.execute(
                "insert into idempotency values (?, ?, ?, ?)", [key, digest, json.dumps(answer), stamp(now)]
            )
            old = stamp(now - timedelta(days=KEY_DAYS))
            self._store.execute("delete from idempotency where at < ?", [old])
            self._plan(order, now)
        return json_answer(answer, 201)

    def _plan(self, order: dict[str, Any], now: datetime) -> None:
        number, action = order["work_order_no"], order["action"]
        fate = dice(number)
        self._store.execute("delete from planned where work_order_no = ? and ? <> 'urge'", [number, action])
        if action == "close":
            return
        silent = fate % 10 == 9 and action in ("dispatch", "reopen")
        if silent:
            return
        waiting = self._store.execute("select count(*) from planned where work_order_no = ?", [number]).fetchone()[0]
        if action == "urge" and waiting:
            return
        haste = 4 if action in ("urge", "escalate") else 1
        signed = now + timedelta(minutes=30 + fate % 690) / haste
        answered = signed + timedelta(hours=20 + fate % 52) / haste
        wrong = fate % 7 == 3
        replies = self._store.execute(
            "select count(*) from told where json_extract(row, '$.work_order_no') = ? "
            "and json_extract(row, '$.action') = '签收'",
            [number],
        ).fetchone()[0]
        name = order.get("department_name") or order["department_code"]
        base = {"work_order_no": number, "department_code": order["department_code"], "by": f"{name}经办人"}
        steps = [] if replies else [(signed, {"action": "签收", "result": None, "text": "已签收"})]
        result = "误报" if wrong else "整改"
        reason = "经核查，系数据报送延迟所致，非体外循环" if wrong else "已核实，正在补录办件信息"
        steps.append((answered, {"action": "反馈", "result": result, "text": reason}))
        steps.append((answered + timedelta(hours=24) / haste, {"action": "核销", "result": None, "text": "申请核销"}))
        for at, step in steps:
            row = json.dumps({**base, **step}, ensure_ascii=False)
            self._store.execute("insert into planned values (?, ?, ?)", [stamp(at), number, row])

    def move(self, now: datetime) -> None:
        """The departments do what is due."""
        due = self._store.execute(
            "select rowid, at, row from planned where at <= ? order by at, rowid", [stamp(now)]
        ).fetchall()
        if not due:
            return
        with self._store:
            for rowid, at, row in due:
                text = json.dumps({**json.loads(row), "at": at}, ensure_ascii=False)
                self._store.execute("insert into told (row) values (?)", [text])
                self._store.execute("delete from planned where rowid = ?", [rowid])

    async def updates(self, request: Request) -> Response:
        """GET /api/v1/work-orders/updates; a page may begin with the row that ended the one before (at least once)."""
        if refused := self.tokens.refuse("m3", request):
            return refused
        after = 0
        if cursor := request.query_params.get("cursor"):
            position = position_of(cursor)
            if position is None or "seq" not in position or self.ctx.faults.take("m3", "cursor_expired"):
                return error(410, "cursor_expired", "游标已失效，请从头开始")
            after = position["seq"]
        self.move(self.ctx.now())
        found = self._store.execute(
            "select seq, row from told where seq > ? order by seq limit ?", [after, PAGE + 1]
        ).fetchall()
        page = found[:PAGE]
        last = page[-1][0] if page else after
        if page and after and self.ctx.quirks:
            page = self._store.execute("select seq, row from told where seq = ?", [after]).fetchall() + page
        answer = {
            "data": [{"seq": seq, **json.loads(row)} for seq, row in page],
            "next_cursor": cursor_of({"seq": last}),
            "has_more": len(found) > PAGE,
        }
        return json_answer(answer)


def _sound(order: dict[str, Any]) -> bool:
    whole = all(isinstance(order[name], int) and not isinstance(order[name], bool) for name in ("revision", "severity"))
    times = all(order.get(name) in (None, "") or when(order[name]) for name in ("dispatched_at", "due_at"))
    return whole and times and order["revision"] >= 1 and 1 <= order["severity"] <= 3 and order["action"] in ACTIONS
