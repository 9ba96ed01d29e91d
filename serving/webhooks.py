"""Changes as webhooks: signed after the Standard Webhooks specification, stored before they are sent, sent until taken.

Headers ``webhook-id`` (the same at every attempt: receivers drop what they know), ``webhook-timestamp`` and
``webhook-signature``: ``v1,`` and base64 of HMAC-SHA256 over ``<id>.<timestamp>.<body>``. Address and secret stand in an
Airflow Connection (host, password). One message at a time and receiver, in order; a failure backs off, 410 stops.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from connectors.endpoint import Endpoint, resolve
from connectors.transports.http import Http
from core.errors import ConfigurationError, NotFoundError, OneMapError
from core.redaction import redact
from serving import audit
from serving.access import PROJECTS, grant_of, reading
from serving.query import changes, paging
from serving.sql.views import FED
from sources.options.base import HttpSettings
from store import tables
from store.engine import one_at_a_time, transaction

log = logging.getLogger(__name__)
BATCH, MESSAGES = 500, 100
SETTINGS = HttpSettings(attempts=1, connect=5, read=20, answer=60)  # trying again is the delivery's own matter
FIRST_WAIT, LONGEST_WAIT = 30, 6 * 3600


def subscribe(
    name: str,
    connection: str,
    scopes: Iterable[str],
    *,
    by: str,
    entities: list[str] | None = None,
    from_now: bool = True,
) -> None:
    """Tell a receiver of changes from now on, or of all that there ever were.

    :raises ConfigurationError: the name is taken, a scope or an entity is none.
    """
    scopes = sorted({PROJECTS, *scopes})
    allowed = [*tables.golden, *FED]
    if unknown := sorted(set(entities or []) - set(allowed)):
        raise ConfigurationError(
            f"no entity {', '.join(unknown)} in the change feed",
            remedy=f"one of {', '.join(allowed)}",
            zh=f"变更流没有实体 {'、'.join(unknown)}，可用：{'、'.join(allowed)}。",
        )
    grant = grant_of(name, scopes)
    xid, seq = -1, -1
    if from_now:
        with reading(grant) as reader:
            xid, seq = paging.decode(changes.LABEL, changes.end(reader), (int, int))
    with transaction() as c:
        done = c.execute(
            sa.text(
                """insert into serving.webhook (name, connection, entities, scopes, xid, seq, made_by)
                   values (:name, :connection, :entities, :scopes, :xid, :seq, :by) on conflict (name) do nothing"""
            ),
            {
                "name": name,
                "connection": connection,
                "entities": entities,
                "scopes": scopes,
                "xid": xid,
                "seq": seq,
                "by": by,
            },
        ).rowcount
    if not done:
        raise ConfigurationError(
            f"there is a webhook {name!r}", remedy="choose another name", zh=f"订阅 {name} 已存在，请换一个名称。"
        )


def stop(name: str, why: str) -> None:
    """:raises ConfigurationError: no such webhook runs."""
    with transaction() as c:
        done = c.execute(
            sa.text(
                "update serving.webhook set stopped_at = now(), stopped_why = :why where name = :name and stopped_at is null"
            ),
            {"name": name, "why": why},
        ).rowcount
    if not done:
        raise NotFoundError(
            f"no webhook {name!r} runs", remedy="see onemap webhooks list", zh=f"没有运行中的订阅 {name}。"
        )


def listed() -> list[dict[str, Any]]:
    """Every webhook, with what waits for its receiver."""
    with transaction() as c:
        rows = c.exec_driver_sql(
            """select w.name, w.connection, w.entities, w.scopes, w.made_at, w.stopped_at, w.stopped_why, w.failures, w.next_try_at,
                      d.made_at as waiting_since, d.attempts, d.error
               from serving.webhook w left join serving.delivery d on d.webhook = w.name and d.delivered_at is null order by w.name"""
        )
        return [dict(row._mapping) for row in rows]


def deliveries(name: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """What was sent, the latest first: when, how often, what the receiver answered."""
    with transaction() as c:
        rows = c.execute(
            sa.text(
                """select id::text as id, webhook, changes, made_at, tried_at, attempts, status, error, delivered_at from serving.delivery
                   where cast(:name as text) is null or webhook = :name order by made_at desc, id limit :limit"""
            ),
            {"name": name, "limit": limit},
        )
        return [dict(row._mapping) for row in rows]


#: Set a webhook back to just before a message; not while another message waits.
_REPLAY_FROM = """update serving.webhook w set xid = coalesce(b.xid, -1), seq = coalesce(b.seq, -1), next_try_at = now()
from serving.delivery d left join lateral (
    select xid, seq from serving.delivery e where e.webhook = d.webhook and (e.xid, e.seq) < (d.xid, d.seq)
    order by e.xid desc, e.seq desc limit 1) b on true
where w.name = :name and d.webhook = w.name and d.id::text = :id and w.stopped_at is null
  and not exists (select from serving.delivery o where o.webhook = w.name and o.delivered_at is null)"""


def replay(name: str, delivery: str) -> None:
    """Send everything from a message on once more, as new messages: for a receiver that lost what it had taken.

    :raises NotFoundError: no such message of a webhook that runs, or one still waits.
    """
    with transaction() as c:
        done = c.execute(sa.text(_REPLAY_FROM), {"name": name, "id": delivery}).rowcount
    if not done:
        raise NotFoundError(
            f"message {delivery} of {name!r} cannot be sent again now",
            remedy="see onemap webhooks list; a message that waits is sent by itself",
            zh=f"订阅 {name} 的消息 {delivery} 现在不能重放：不存在、订阅已停止，或还有消息在等待送达。",
        )


def sign(secret: str, message: str, at: int, body: bytes) -> str:
    """The value of ``webhook-signature``. A secret ``whsec_…`` is base64, as the specification has it."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.new(key, f"{message}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def deliver(look_up: Callable[[str], Endpoint] = resolve) -> dict[str, int]:
    """Send what is due to every receiver; returns the messages taken by each. A failing receiver holds up no other."""
    with transaction() as c:
        due = [
            row[0]
            for row in c.exec_driver_sql(
                "select name from serving.webhook where stopped_at is null and next_try_at <= now() order by name"
            )
        ]
    return {name: _deliver(name, look_up) for name in due}


def _deliver(name: str, look_up: Callable[[str], Endpoint]) -> int:
    taken = 0
    with one_at_a_time("webhook", name) as held:
        while held and taken < MESSAGES and (message := _waiting(name) or _make(name)):
            if not _send(name, message, look_up):
                break
            taken += 1
    return taken


def _waiting(name: str) -> Any:
    with transaction() as c:
        return c.execute(
            sa.text(
                """select d.id::text as id, d.body, w.connection from serving.delivery d join serving.webhook w on w.name = d.webhook
                   where d.webhook = :name and d.delivered_at is null and w.stopped_at is null"""
            ),
            {"name": name},
        ).first()


def _make(name: str) -> Any:
    """Store the next message; None: nothing has changed that it is told of."""
    with transaction() as c:
        hook = c.execute(
            sa.text("select * from serving.webhook where name = :name and stopped_at is null"), {"name": name}
        ).first()
    if hook is None:
        return None
    rows: list[dict[str, Any]] = []
    xid, seq, more = hook.xid, hook.seq, True
    grant = grant_of(f"webhook {name}", hook.scopes)
    while more and not rows:
        with reading(grant) as reader:
            rows, (xid, seq), more = changes.since(reader, xid, seq, entities=hook.entities, limit=BATCH)
    with transaction() as c:
        if not rows:
            c.execute(
                sa.text("update serving.webhook set xid = :xid, seq = :seq where name = :name"),
                {"xid": xid, "seq": seq, "name": name},
            )
            return None
        body = {
            "type": "onemap.changes",
            "timestamp": rows[-1]["at"],
            "data": {"changes": rows, "next": paging.encode(changes.LABEL, (xid, seq))},
        }
        c.execute(
            sa.text(
                "insert into serving.delivery (webhook, body, changes, xid, seq) values (:name, :body, :n, :xid, :seq)"
            ),
            {
                "name": name,
                "body": json.dumps(body, ensure_ascii=False).encode(),
                "n": len(rows),
                "xid": xid,
                "seq": seq,
            },
        )
    audit.append(f"webhook {name}", "read", "changes", {"rows": len(rows), "personal": grant.personal})
    return _waiting(name)


def _send(name: str, message: Any, look_up: Callable[[str], Endpoint]) -> bool:
    with transaction() as c:  # counted before it is sent: a crash leaves a trace
        c.execute(
            sa.text(
                "update serving.delivery set attempts = attempts + 1, tried_at = now() where id = cast(:id as uuid)"
            ),
            {"id": message.id},
        )
    status, error = None, None
    try:
        endpoint = look_up(message.connection)
        if not endpoint.password:
            raise ConfigurationError(
                f"Connection {message.connection} has no password to sign with",
                remedy="set it",
                zh="连接缺少签名密钥（密码）。",
            )
        body = bytes(message.body)

        def signed(request: Any) -> None:
            at = int(time.time())
            request.headers["webhook-timestamp"] = str(at)
            request.headers["webhook-signature"] = sign(endpoint.password, message.id, at, body)

        http = Http(endpoint, f"webhook {name}", SETTINGS, sign=signed, guarded=False)
        try:
            answer = http.post(
                "",
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": "onemap-hub",
                    "webhook-id": message.id,
                },
                accept=range(400, 600),
            )
        finally:
            http.close()
        status = answer.status
        error = None if 200 <= status < 300 else f"HTTP {status}"
    except OneMapError as problem:
        error = redact(problem.message)[:500]
    return _settle(name, message.id, status, error)


#: After a failure: wait twice as long as before, up to the longest; 410 Gone ends the subscription.
_POSTPONE = """update serving.webhook set failures = failures + 1,
    next_try_at = now() + make_interval(secs => least(:first * power(2, least(failures, 20)), :longest)),
    stopped_at = case when :status = 410 then now() end,
    stopped_why = case when :status = 410 then 'the receiver says 410 Gone' end
where name = :name"""


def _settle(name: str, message: str, status: int | None, error: str | None) -> bool:
    """Taken: the receiver's place moves on with it. Not taken: try again later."""
    with transaction() as c:
        c.execute(
            sa.text(
                """update serving.delivery set status = :status, error = :error, delivered_at = case when cast(:error as text) is null then now() end
                   where id = cast(:id as uuid)"""
            ),
            {"status": status, "error": error, "id": message},
        )
        if error is None:
            c.execute(
                sa.text(
                    """update serving.webhook w set failures = 0, next_try_at = now(), xid = d.xid, seq = d.seq
                       from serving.delivery d where d.id = cast(:id as uuid) and w.name = :name"""
                ),
                {"id": message, "name": name},
            )
            return True
        c.execute(
            sa.text(_POSTPONE), {"name": name, "first": FIRST_WAIT, "longest": LONGEST_WAIT, "status": status or 0}
        )
    log.warning("webhook %s was not taken: %s", name, error)
    return False
