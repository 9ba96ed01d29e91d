"""How each output stands: its light, what its receiver has, what waits and since when, what was refused; its batches and rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.errors import FAULT_ZH, Fault
from sinks import loader
from store.engine import transaction

#: light → Chinese, English, tone
LIGHTS = {
    "failing": ("失败", "failing", "bad"),
    "late": ("超时", "late", "warn"),
    "refused": ("有拒收", "rows refused", "warn"),
    "ok": ("正常", "ok", "good"),
    "never": ("未推送", "never pushed", ""),
}
_STATE = """
select s.*, b.id::text as open_batch, b.state as open_state, b.made_at as open_since
from serving.push_state s left join serving.push_batch b on b.output = s.output and b.state <> 'settled'"""
_ROWS = """
select output, count(*) filter (where state = 'accepted') as accepted, count(*) filter (where state = 'waiting') as waiting,
       count(*) filter (where state = 'rejected' and not coalesce(reasons @> '[{"code": "dismissed"}]', false)) as rejected,
       count(*) filter (where state = 'rejected' and reasons @> '[{"code": "dismissed"}]') as dismissed,
       min(since) filter (where state = 'waiting') as waiting_since
from serving.push_row group by output"""
_BATCHES = """
select output, count(*) as batches, sum(rows) filter (where state = 'settled') as rows, sum(accepted) as taken, sum(rejected) as refused,
       max(settled_at) as last_at
from serving.push_batch group by output"""
_BATCH = """
select id::text as id, output, name, period, revision, state, rows, sent, accepted, rejected, body_sha256, receipt_sha256, made_at,
       tried_at, attempts, settled_at, error
from serving.push_batch"""
#: work orders go to the municipal platform by an outbox of their own, whose rows wait for each other: shown as one more output
_ORDERS = """
select count(*) filter (where state = 'sent') as accepted, count(*) filter (where state = 'waiting') as waiting,
       count(*) filter (where state = 'refused') as rejected, min(id) filter (where state = 'waiting') as oldest,
       max(sent_at) as last_at, max(tried_at) as ran_at, count(*) as rows,
       (array_agg(error order by id) filter (where state = 'waiting' and error is not null))[1] as error
from supervision.outbox"""


@dataclass(slots=True)
class Standing:
    """An output's state. ``rows`` = ``taken`` + ``refused`` over all batches; ``accepted``, ``waiting``, ``rejected``: rows now."""

    sink: str
    sink_name: str
    output: str
    name: str
    department: str
    contact: str
    protocol: str
    connection: str
    light: str
    accepted: int = 0
    waiting: int = 0
    rejected: int = 0
    dismissed: int = 0
    batches: int = 0
    rows: int = 0
    taken: int = 0
    refused: int = 0
    waiting_since: datetime | None = None
    open_since: datetime | None = None
    last_at: datetime | None = None
    ran_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    fault: str | None = None
    error: str | None = None
    zh: str | None = None

    @property
    def balanced(self) -> bool:
        """Sent = accepted + rejected, over every settled batch."""
        return self.rows == self.taken + self.refused

    @property
    def fault_zh(self) -> str | None:
        """Whose duty it is."""
        return FAULT_ZH[Fault(self.fault)] if self.fault else None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        document = {**asdict(self), "balanced": self.balanced}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in document.items()}


def standing() -> list[Standing]:
    """Every declared output, trouble first; and the work orders."""
    with transaction() as connection:
        states = {row.output: row for row in connection.exec_driver_sql(_STATE)}
        rows = {row.output: row for row in connection.exec_driver_sql(_ROWS)}
        batches = {row.output: row for row in connection.exec_driver_sql(_BATCHES)}
        orders = connection.exec_driver_sql(_ORDERS).one()
    found = []
    for sink in loader.load_all().values():
        for output in sink.outputs.values():
            state, row, sent = states.get(output.id), rows.get(output.id), batches.get(output.id)
            late = _late(
                sink.promise.total_seconds(), row.waiting_since if row else None, state.open_since if state else None
            )
            standing = Standing(
                sink.sink,
                sink.name,
                output.id,
                output.name,
                sink.owner.department,
                sink.owner.contact,
                sink.protocol,
                sink.connection,
                _light(state, late, row.rejected if row else 0),
            )
            if row:
                standing.accepted, standing.waiting = row.accepted, row.waiting
                standing.rejected, standing.dismissed = row.rejected, row.dismissed
                standing.waiting_since = row.waiting_since
            if sent:
                standing.batches, standing.rows = sent.batches, int(sent.rows or 0)
                standing.taken, standing.refused = int(sent.taken or 0), int(sent.refused or 0)
                standing.last_at = sent.last_at
            if state:
                standing.open_since, standing.ran_at = state.open_since, state.ran_at
                standing.failures, standing.failing_since = state.failures, state.failing_since
                standing.fault, standing.error, standing.zh = state.fault, state.error, state.zh
            found.append(standing)
    found.append(_orders(orders))
    order = list(LIGHTS)
    return sorted(found, key=lambda one: (order.index(one.light), one.output))


def _late(promise: float, *since: datetime | None) -> bool:
    now = datetime.now(UTC)
    return any((now - one).total_seconds() > promise for one in since if one)


def _light(state: Any, late: bool, rejected: int) -> str:
    if state is None or (state.ran_at is None):
        return "never"
    if state.failures:
        return "failing"
    return "late" if late else "refused" if rejected else "ok"


def _orders(row: Any) -> Standing:
    from supervision import rulebook

    delivery = rulebook.orders().delivery
    light = "never" if not row.rows else "failing" if row.error else "refused" if row.rejected else "ok"
    return Standing(
        "work_orders",
        "督办工单",
        "work_orders",
        "工单报送（supervision/rules/orders.yaml）",
        "东莞市政务服务和数据管理局",
        "",
        "rest",
        delivery.connection,
        light,
        row.accepted,
        row.waiting,
        row.rejected,
        rows=row.accepted + row.rejected,
        taken=row.accepted,
        refused=row.rejected,
        last_at=row.last_at,
        ran_at=row.ran_at,
        error=row.error,
        zh=row.error,
    )


def batches(output: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Sendings, the latest first: rows, accepted, rejected, hashes of body and receipt in the archive."""
    with transaction() as connection:
        rows = connection.execute(
            sa.text(
                f"{_BATCH} where cast(:output as text) is null or output = :output order by made_at desc, id limit :limit"
            ),
            {"output": output, "limit": limit},
        )
        return [dict(row._mapping) for row in rows]


def batch(id_: str) -> dict[str, Any] | None:
    """One of them; None: there is none."""
    try:
        known = UUID(id_)
    except ValueError:
        return None
    with transaction() as connection:
        row = connection.execute(sa.text(f"{_BATCH} where id = :id"), {"id": known}).first()
        return dict(row._mapping) if row else None


def refused(output: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
    """Rows that are not taken, with every reason; without their values, which may be people's."""
    with transaction() as connection:
        rows = connection.execute(
            sa.text(
                """select output, key, operation, reasons, attempts, since, wanted_hash is null as put_up from serving.push_row
                   where state = 'rejected' and (cast(:output as text) is null or output = :output) order by since desc, key limit :limit"""
            ),
            {"output": output, "limit": limit},
        )
        return [dict(row._mapping) for row in rows]
