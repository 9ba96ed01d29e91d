"""Work orders to the municipal platform and back (M3), docs/source-systems.md, "M3 work orders".

**Out.** The outbox holds the very bytes and the key of each change before it is sent. An order's changes go one after the
other; the next only when the one before was taken. An attempt is written down before it is made, so that after a crash it
is known that the platform may have the change: it is sent again under the same key with the same bytes, and has one effect.
A 409 to a change that was sent before says that it was taken; to one that never was, that the number has a past.

**Back.** A page of updates, the orders that it moves and the cursor are one transaction; an update that comes again is known
by its ``seq``. A cursor that has died (410) begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.endpoint import resolve
from connectors.transports.http import Answer, Http
from connectors.transports.oauth import BearerToken
from core.errors import OneMapError, ProviderError, TransientError
from core.redaction import redact
from mappings.times import timestamps
from sources.options.base import HttpSettings
from store.engine import engine, one_at_a_time, transaction
from supervision import rulebook
from supervision.declaration import Delivery
from supervision.orders import life

_RAISES = 100  # of a revision that the platform has seen already, from a hub before this one
_EMPTY_PAGES = 10  # that say one after the other that more follows
_PAGES = 10_000  # of one poll: a listing that never ends is the platform's fault


@dataclass(slots=True)
class Sent:
    """What :func:`send` did: changes taken by the platform, still waiting, refused (a person must look)."""

    sent: int = 0
    waiting: int = 0
    refused: int = 0
    error: OneMapError | None = None


@dataclass(slots=True)
class Polled:
    """What :func:`poll` brought: updates new to us, of which so many moved an order."""

    new: int = 0
    moved: int = 0
    pages: int = 0


def send(*, again: bool = False) -> Sent:
    """Tell the platform every change that waits, oldest first, each order's in its order.

    A platform that is down, busy or refuses our credentials ends the run: all stays in the outbox (``error`` says why).
    ``again``: what was refused before is tried once more.

    :raises ConfigurationError: the Connection is missing; nothing was sent.
    """
    with one_at_a_time("outbox") as held:
        if not held:
            return Sent(waiting=_count("waiting"), refused=_count("refused"))
        if again:
            with transaction() as connection:
                connection.exec_driver_sql(
                    "update supervision.outbox set state = 'waiting', attempts = 0 where state = 'refused'"
                )
        delivery = rulebook.orders().delivery
        result = Sent()
        with _http(delivery) as http:
            for row in iter(_next, None):
                try:
                    answer = _post(http, delivery, row)
                except OneMapError as error:
                    _failed(row, error)
                    result.error = error
                    break
                result.sent += _heard(row, answer)
        result.waiting, result.refused = _count("waiting"), _count("refused")
        return result


#: Take the oldest waiting change whose order has no earlier one unsent, and count the attempt.
_TAKE_NEXT = """update supervision.outbox o set attempts = attempts + 1, tried_at = clock_timestamp()
where id = (select b.id from supervision.outbox b
            where b.state = 'waiting'
              and not exists (select from supervision.outbox e
                              where e.order_no = b.order_no and e.revision < b.revision and e.state <> 'sent')
            order by b.id limit 1)
returning o.id, o.order_no, o.revision, o.key::text as key, o.body, o.attempts, o.error"""


def _next() -> Any | None:
    """The oldest change that waits and is the next of its order; the attempt is written down before it is made."""
    with transaction() as connection:
        return connection.exec_driver_sql(_TAKE_NEXT).first()


def _post(http: Http, delivery: Delivery, row: Any) -> Answer:
    return http.post(
        delivery.post,
        data=bytes(row.body),
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "Accept": "application/json",
            "Idempotency-Key": row.key,
        },
        classify=http.classify,
        accept=(400, 409, 413, 422),
    )


def _heard(row: Any, answer: Answer) -> int:
    """Write down what the platform said of one change. Returns 1 where it has taken it."""
    if answer.status < 300:
        return _taken(row, answer)
    if answer.status == 409 and row.attempts > 1:
        return _taken(row, answer)  # an attempt before went through, its answer was lost, its key has lapsed since
    if answer.status == 409 and _raised(row):
        return 0
    message = redact(answer.content[:500].decode("utf-8", "replace"))
    if answer.status == 422 and not (row.error or "").startswith("rekeyed"):
        # the key stands there with other bytes: these bytes were never taken
        with transaction() as connection:
            connection.execute(
                sa.text(
                    "update supervision.outbox set key = gen_random_uuid(), attempts = 0, error = 'rekeyed: ' || :said where id = :id"
                ),
                {"id": row.id, "said": message},
            )
        return 0
    with transaction() as connection:
        connection.execute(
            sa.text("update supervision.outbox set state = 'refused', error = :said where id = :id"),
            {"id": row.id, "said": f"HTTP {answer.status}: {message}"},
        )
    return 0


def _raised(row: Any) -> bool:
    """Give the order's untold changes higher revisions: this one was never sent before, so what the platform has under its
    number is of a hub before this one (a store restored or made anew). False: tried often enough."""
    with transaction() as connection:
        report = connection.execute(
            sa.text(
                "select id, revision, body from supervision.outbox where order_no = :no and state <> 'sent' order by revision desc"
            ),
            {"no": row.order_no},
        ).fetchall()
        first = json.loads(bytes(report[-1].body))
        if first["revision"] > _RAISES:
            return False
        for change in report:
            body = {**json.loads(bytes(change.body)), "revision": change.revision + 1}
            connection.execute(
                sa.text(
                    """update supervision.outbox set revision = :revision, body = :body, key = gen_random_uuid(), attempts = 0 where id = :id"""
                ),
                {
                    "id": change.id,
                    "revision": change.revision + 1,
                    "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
                },
            )
        connection.execute(
            sa.text("update supervision.work_order set revision = revision + 1 where no = :no"), {"no": row.order_no}
        )
    return True


def _taken(row: Any, answer: Answer) -> int:
    try:
        report = json.loads(answer.content)
    except ValueError:
        report = {"unreadable": answer.content[:200].decode("utf-8", "replace")}
    report = {"status": answer.status, "answer": report}
    with transaction() as connection:
        connection.execute(
            sa.text(
                """update supervision.outbox set state = 'sent', sent_at = clock_timestamp(), error = null, answer = cast(:told as jsonb)
                   where id = :id"""
            ),
            {"id": row.id, "told": json.dumps(redact(report), ensure_ascii=False)},
        )
    return 1


def _failed(row: Any, error: OneMapError) -> None:
    with transaction() as connection:
        connection.execute(
            sa.text("update supervision.outbox set error = :error where id = :id"),
            {"id": row.id, "error": redact(str(error))[:1000]},
        )


def _count(state: str) -> int:
    with engine().connect() as connection:
        return connection.execute(
            sa.text("select count(*) from supervision.outbox where state = :state"), {"state": state}
        ).scalar_one()


def poll() -> Polled:
    """Take what departments did since the last poll.

    :raises ConfigurationError: the Connection is missing.
    :raises TransientError: the platform is not to be had; what was read before stands.
    :raises ProviderError: its answer breaks the contract.
    """
    result = Polled()
    with one_at_a_time("updates") as held:
        if not held:
            return result
        delivery = rulebook.orders().delivery
        with _http(delivery) as http:
            restarted, empty = False, 0
            for _ in range(_PAGES):
                cursor = _cursor(delivery.system)
                answer = http.get(
                    delivery.updates,
                    params={"cursor": cursor},
                    headers={"Accept": "application/json"},
                    classify=lambda answer: _classify(http, answer),
                    accept=(410,) if cursor else (),
                )
                if answer.status == 410:
                    if restarted:
                        raise _broken("the cursor died twice in one poll", "游标连续失效")
                    restarted = True
                    with transaction() as connection:
                        _move(connection, delivery.system, None)
                    continue
                page = _page(answer)
                _store_page(delivery.system, page, result)
                if not page["has_more"]:
                    return result
                if page["next_cursor"] == cursor:
                    raise _broken("has_more with the cursor that was given", "分页游标不前进")
                empty = 0 if page["data"] else empty + 1
                if empty == _EMPTY_PAGES:
                    raise _broken(f"has_more, though {empty} pages running were empty", "连续空页而称还有后续")
    raise _broken(f"more than {_PAGES} pages in one poll", "回传分页没有尽头")


def _store_page(system: str, page: dict[str, Any], result: Polled) -> None:
    """One page, the orders that it moves, and the cursor: together or not at all."""
    with transaction() as connection:
        life.lock(connection)
        rows = sorted({row["seq"]: row for row in page["data"]}.values(), key=lambda row: row["seq"])
        known = set(
            connection.execute(
                sa.text("select seq from supervision.order_update where seq = any(:seqs)"),
                {"seqs": [row["seq"] for row in rows]},
            ).scalars()
        )
        new = [row for row in rows if row["seq"] not in known]
        moved = life.answered(connection, new)
        if new:
            connection.execute(
                sa.text(
                    """insert into supervision.order_update (seq, order_no, action, at, by, department_code, result, text, used)
                       values (:seq, :work_order_no, :action, :at, :by, :department_code, :result, :text, :used)"""
                ),
                [{**row, "used": moved[row["seq"]]} for row in new],
            )
        _move(connection, system, page["next_cursor"])
    result.new += len(new)
    result.moved += sum(moved.values())
    result.pages += 1


def _page(answer: Answer) -> dict[str, Any]:
    """A page as rows of one shape. :raises ProviderError: it is none."""
    try:
        report = json.loads(answer.content)
        rows = [_row(row) for row in report["data"] or ()]  # null is how some write an empty list
        cursor, more = report["next_cursor"], bool(report.get("has_more"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(f"no page of updates: {type(error).__name__} {error}", "回传响应不是约定的分页结果") from error
    if not isinstance(cursor, str) or not cursor:
        raise _broken("next_cursor is empty", "回传响应缺少 next_cursor")
    times = pl.Series([row["at"] for row in rows], dtype=pl.String)
    read = timestamps(times)[0] if rows else times
    return {
        "data": [{**row, "at": at} for row, at in zip(rows, read.to_list(), strict=True)],
        "next_cursor": cursor,
        "has_more": more,
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    report = {name: _text(row.get(name)) for name in ("at", "by", "department_code", "result", "text")}
    action = _text(row["action"])
    if action not in ("签收", "反馈", "核销"):
        raise ValueError(f"action {action!r}")
    return {"seq": int(row["seq"]), "work_order_no": _text(row["work_order_no"]) or "", "action": action, **report}


def _text(value: Any) -> str | None:
    return (str(value).strip() or None) if value is not None else None


def _classify(http: Http, answer: Answer) -> None:
    if http.classify:
        http.classify(answer)
    if answer.status == 200:
        try:
            json.loads(answer.content)
        except ValueError as error:
            raise TransientError(
                f"{http.name}: the answer is no JSON",
                remedy="tried again by itself; if it lasts, tell the platform's owner",
                zh="市平台工单回传响应不是 JSON，将自动重试；如持续，请联系市平台。",
                code="not_a_page",
            ) from error


def _cursor(system: str) -> str | None:
    with engine().connect() as connection:
        return connection.execute(
            sa.text("select cursor from supervision.update_cursor where system = :system"), {"system": system}
        ).scalar()


def _move(connection: Connection, system: str, cursor: str | None) -> None:
    connection.execute(
        sa.text(
            """insert into supervision.update_cursor (system, cursor) values (:system, :cursor)
               on conflict (system) do update set cursor = excluded.cursor, moved_at = clock_timestamp()"""
        ),
        {"system": system, "cursor": cursor},
    )


def _broken(what: str, zh: str) -> ProviderError:
    return ProviderError(
        f"work order updates: {what}",
        remedy="tell the owner of the municipal platform",
        zh=f"市平台工单回传：{zh}，请联系市平台。",
        code="bad_updates",
    )


@contextmanager
def _http(delivery: Delivery) -> Iterator[Http]:
    """The platform's HTTP with its token. :raises ConfigurationError: there is no such Connection."""
    settings = HttpSettings(attempts=4, total=120, read=delivery.timeout.total_seconds())
    http = Http(resolve(delivery.connection), delivery.system, settings)
    try:
        token = BearerToken(http, delivery.token)
        http.sign, http.classify = token, token.classify
        yield http
    finally:
        http.close()
