"""The audit log: every read and decision on ``store.audit``, each entry chained to the one before by SHA-256.

The database numbers and chains the entries (trigger ``audit_chain``), so that nobody who can only insert can break the
chain. An auditor recomputes it alone: digest = SHA-256(previous ‖ text), text = seq, at, actor, action, object, detail as
netstrings ``<bytes>:<part>,``; ``at`` in UTC with six decimals, ``detail`` as PostgreSQL writes its JSONB.

Who owns the database can write a whole chain anew, or cut its end. So each entry carries a seal by a key that the database
does not hold, and where the log ended is written outside by itself (:mod:`serving.seals`); :func:`verify` asks all three.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError, InternalError
from core.redaction import depersonalise, depersonalised, redact
from serving import seals
from store.engine import pairs, refusal, transaction

_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z-])(\d{3})(\d{4,11})(\d{3}[\dXx])(?![0-9A-Za-z-])")


@dataclass(frozen=True, slots=True)
class Verdict:
    """``broken``: the first entry that does not follow from the one before, and why; None: the chain holds."""

    entries: int
    head: str
    broken: int | None = None
    why: str = ""


@dataclass(slots=True)
class _Entry:
    values: dict[str, str]
    written: bool = False
    error: BaseException | None = None


_MOST = 100  # entries a transaction
_waiting: list[_Entry] = []
_writing = threading.Lock()


def _forked() -> None:
    global _writing
    _writing = threading.Lock()  # whoever held it stayed in the other process
    _waiting.clear()


os.register_at_fork(after_in_child=_forked)


def append(actor: str, action: str, object_: str, detail: dict[str, Any]) -> None:
    """Write one entry, sealed and committed before this returns. Free text in it leaves masked (:func:`scrub`).

    The log is a chain: one transaction after the other, over all processes, each waits for its disk. So whoever comes while
    another thread of this process writes, waits, and the next one writes all that have come meanwhile in one transaction.
    """
    mine = _Entry(
        {
            "actor": actor,
            "action": action,
            "object": depersonalise(object_),
            "detail": json.dumps(depersonalised(redact(detail)), ensure_ascii=False),
        }
    )
    _waiting.append(mine)
    with _writing:
        while not mine.written:
            batch = _waiting[:_MOST]
            del _waiting[: len(batch)]
            _settle(batch)
    if mine.error is not None:
        raise mine.error


def _settle(batch: list[_Entry]) -> None:
    """Write what waits; what the database refuses of it is refused alone."""
    try:
        _write([one.values for one in batch])
    except BaseException as error:  # each of those who wait is told, whatever ends this one: none of it stands
        if len(batch) > 1 and refusal(error):
            for one in batch:
                _settle([one])
            return
        for one in batch:
            one.error = error
    finally:
        for one in batch:
            one.written = True


_INSERT = """
insert into store.audit (seq, actor, action, object, detail, previous, digest)
select 0, e.actor, e.action, e.object, cast(e.detail as jsonb), '', ''
from unnest(cast(:actor as text[]), cast(:action as text[]), cast(:object as text[]), cast(:detail as text[])) as e(actor, action, object, detail)
returning seq, digest, (select store::text from landing.journal) as store, not exists (select from store.audit_seal) as first"""
_SEAL = """
insert into store.audit_seal (seq, key_id, seal)
select * from unnest(cast(:seq as bigint[]), cast(:key_id as text[]), cast(:seal as bytea[]))"""


def _write(entries: list[dict[str, str]]) -> None:
    columns = {name: [one[name] for one in entries] for name in entries[0]}
    with transaction() as connection:
        made = sorted(map(tuple, connection.execute(sa.text(_INSERT), columns)))
        seq, _, store, first = made[0]
        if first and seq > 1:  # a log from before there were seals: what stood then is told outside, once
            seals.begin(store, *_before(connection, seq))
        sealed = [(seq, *seals.seal(seq, digest)) for seq, digest, _, _ in made]
        connection.execute(
            sa.text(_SEAL), dict(zip(("seq", "key_id", "seal"), map(list, zip(*sealed, strict=True)), strict=True))
        )
    seals.anchor(store, *made[-1][:2])


def _before(connection: Connection, seq: int) -> tuple[int, str]:
    return tuple(
        connection.execute(
            sa.text("select seq, encode(digest, 'hex') from store.audit where seq < :seq order by seq desc limit 1"),
            {"seq": seq},
        ).one()
    )


def scrub(text: str) -> str:
    """Masks what may be a phone or an ID number: what has its form, and 11 to 18 digits that stand alone."""
    return depersonalise(_LONG_NUMBER.sub(lambda m: m[1] + "*" * len(m[2]) + m[3], text))


def head() -> str:
    """``<seq>:<digest>`` of the last entry, to be kept elsewhere; ``0:`` when there is none."""
    with transaction() as connection:
        return _head(connection)


def _head(connection: Connection) -> str:
    last = connection.exec_driver_sql(
        "select seq, encode(digest, 'hex') from store.audit order by seq desc limit 1"
    ).first()
    return f"{last[0]}:{last[1]}" if last else "0:"


def verify(anchor: str | None = None) -> Verdict:
    """Recompute the whole chain, in the database and in one pass; then every seal, and every anchor that was written outside.

    :param anchor: what :func:`head` said earlier: shows that nothing was cut off or written anew up to there.
    :raises ConfigurationError: the anchor is not ``<seq>:<digest>``; the key of the seals is not to be had.
    """
    if anchor and not re.fullmatch(r"\d+:[0-9a-f]*", anchor):
        raise ConfigurationError(
            f"anchor {anchor!r}", remedy="<seq>:<digest>, as onemap audit head says it", zh="锚点应为 <序号>:<摘要>。"
        )
    with transaction() as connection:
        connection.exec_driver_sql("set transaction isolation level repeatable read")
        retired = seals.retired()
        first, entries = connection.exec_driver_sql("select coalesce(min(seq), 1), count(*) from store.audit").one()
        broken = (
            _start(connection, first, entries, retired)
            or _chain(connection, first)
            or _seals(connection)
            or _anchors(connection, [anchor] if anchor else [], retired)
        )
        last = _head(connection)
    return Verdict(entries, last, *(broken or (None, "")))


def _start(connection: Connection, first: int, entries: int, retired: seals.Upto | None) -> tuple[int, str] | None:
    """The first entry that is there follows from the last one that was taken out at the end of its keeping."""
    upto = retired.upto if retired else 0
    if entries == 0:
        return None
    if first != upto + 1:
        return upto + 1, f"number {upto + 1} is missing"
    previous = connection.execute(sa.text("select previous from store.audit where seq = :seq"), {"seq": first}).scalar()
    if previous != (bytes.fromhex(retired.digest) if retired else bytes(32)):
        return first, "does not follow from the entry before"
    return None


#: The first entry whose number, predecessor or digest is not what the chain demands.
_FIRST_BREAK = r"""select seq, case when seq <> expected then 'number ' || expected || ' is missing'
            when before is not null and previous <> before then 'does not follow from the entry before'
            else 'content and digest differ' end
from (select a.seq, a.previous, a.digest, row_number() over w + :first - 1 as expected, lag(a.digest) over w as before,
             sha256(a.previous || store.audit_text(a.seq, a.at, a.actor, a.action, a.object, a.detail)) as right_digest
      from store.audit a window w as (order by a.seq)) x
where seq <> expected or (before is not null and previous <> before) or digest <> right_digest
order by seq limit 1"""


def _chain(connection: Connection, first: int) -> tuple[int, str] | None:
    found = connection.execute(sa.text(_FIRST_BREAK), {"first": first}).first()
    return (found[0], found[1]) if found else None


def _seals(connection: Connection) -> tuple[int, str] | None:
    """Each entry since sealing began carries the seal of our key."""
    rows = connection.execution_options(stream_results=True, max_row_buffer=5000).exec_driver_sql(
        "select a.seq, a.digest, s.key_id, s.seal from store.audit a left join store.audit_seal s using (seq) order by a.seq"
    )
    begun = seals.begun()
    for seq, digest, key_id, seal in rows:
        if begun and seq <= begun.upto:
            if seq == begun.upto and digest.hex() != begun.digest:
                return seq, "another chain than the one that sealing began with"
            continue
        if seal is None:
            return seq, "carries no seal: it was not written by the hub"
        if not seals.holds(seq, digest, key_id, seal):
            return seq, "its seal is not of our key: the log was written anew"
    return None


def _anchors(connection: Connection, given: list[str], retired: seals.Upto | None) -> tuple[int, str] | None:
    upto = retired.upto if retired else 0
    wanted = [a for a in (*given, *seals.anchors()) if int(a.partition(":")[0]) > upto]
    if not wanted:
        return None
    numbers = [int(a.partition(":")[0]) for a in wanted]
    found: dict[int, str] = pairs(
        connection.execute(
            sa.text("select seq, encode(digest, 'hex') from store.audit where seq = any(:seqs)"), {"seqs": numbers}
        )
    )
    for seq, digest in sorted((int(a.partition(":")[0]), a.partition(":")[2]) for a in wanted):
        if seq not in found:
            return seq, "cut off before the anchor"
        if found[seq] != digest:
            return seq, "another chain than the anchor's"
    return None


def retire(keep: timedelta) -> int:
    """Entries older than ``keep`` go into the archive, sealed, and out of the database; returns how many. The last one stays:
    the next follows from it."""
    with transaction() as connection:
        last = connection.execute(
            sa.text(
                "select seq, encode(digest, 'hex') from store.audit where at < now() - :keep and seq < (select max(seq) from store.audit) order by seq desc limit 1"
            ),
            {"keep": keep},
        ).first()
        if last is None:
            return 0
        verdict = _chain(
            connection, connection.exec_driver_sql("select min(seq) from store.audit").scalar_one()
        ) or _seals(connection)
        if verdict is not None:
            raise InternalError(
                f"the audit log is broken at {verdict[0]} ({verdict[1]}): nothing of it is taken out",
                remedy="onemap audit verify; keep the database as it is for those who look into it",
                zh=f"审计日志在第 {verdict[0]} 条断开，暂不清理。",
            )
        lines = connection.execute(
            sa.text("select to_jsonb(a) from store.audit a where seq <= :upto order by seq"), {"upto": last[0]}
        ).scalars()
        seals.write_retired(last[0], last[1], list(lines))
        return connection.execute(sa.text("select store.audit_retire(:upto)"), {"upto": last[0]}).scalar_one()


OWNER = "onemap_audit"


def separate(application: str) -> None:
    """Give the log an owner that the application is not: it may read and append, and no more. As the server's administrator.

    :raises ConfigurationError: this user may not, or there is no such application role.
    """
    try:
        with transaction() as connection:
            quote = connection.dialect.identifier_preparer.quote
            if not connection.execute(
                sa.text("select 1 from pg_roles where rolname = :name"), {"name": application}
            ).scalar():
                raise ConfigurationError(
                    f"no role {application!r}",
                    remedy="name the user of ONEMAP_DATABASE_URL",
                    zh=f"没有数据库角色 {application}，请填写 ONEMAP_DATABASE_URL 所用的用户。",
                )
            if not connection.execute(sa.text("select 1 from pg_roles where rolname = :n"), {"n": OWNER}).scalar():
                connection.exec_driver_sql(f"create role {OWNER} nologin")
            for statement in (
                # who owns the schema can drop what is in it, whoever that belongs to
                f"alter schema store owner to {OWNER}",
                f"grant usage, create on schema store to {quote(application)} with grant option",
                f"alter table store.audit owner to {OWNER}",
                f"alter table store.audit_seal owner to {OWNER}",
                f"alter function store.audit_retire(bigint) owner to {OWNER}",
                f"alter function store.audit_kept() owner to {OWNER}",
                f"alter function store.audit_chain() owner to {OWNER}",
                f"alter function store.audit_text(bigint, timestamptz, text, text, text, jsonb) owner to {OWNER}",
                f"grant select, insert on store.audit, store.audit_seal to {quote(application)}",
                f"grant execute on function store.audit_retire(bigint) to {quote(application)}",
            ):
                connection.exec_driver_sql(statement)
    except sa.exc.ProgrammingError as error:
        raise ConfigurationError(
            f"this database user may not hand the log over: {error.orig}",
            remedy="run it once with ONEMAP_DATABASE_URL of the server's administrator",
            zh="当前数据库用户无权移交审计日志，请以数据库管理员的 ONEMAP_DATABASE_URL 执行一次。",
        ) from error
