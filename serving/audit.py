"""The audit log: every read and decision on ``store.audit``, each entry chained to the one before by SHA-256.

The database numbers and chains the entries (trigger ``audit_chain``), so that nobody who can only insert can break the
chain. An auditor recomputes it alone: digest = SHA-256(previous ‖ text), text = seq, at, actor, action, object, detail as
netstrings ``<bytes>:<part>,``; ``at`` in UTC with six decimals, ``detail`` as PostgreSQL writes its JSONB. What the chain
cannot show by itself is that its end was cut off: keep :func:`head` elsewhere and verify against it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.errors import ConfigurationError
from core.redaction import redact
from store.engine import transaction

_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z-])(\d{3})(\d{4,11})(\d{3}[\dXx])(?![0-9A-Za-z-])")


@dataclass(frozen=True, slots=True)
class Verdict:
    """``broken``: the first entry that does not follow from the one before, and why; None: the chain holds."""

    entries: int
    head: str
    broken: int | None = None
    why: str = ""


def append(actor: str, action: str, object_: str, detail: dict[str, Any]) -> None:
    """Write one entry, committed before this returns. What people typed goes through :func:`scrub` before."""
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into store.audit (seq, actor, action, object, detail, previous, digest)
                   values (0, :actor, :action, :object, cast(:detail as jsonb), '', '')"""
            ),
            {
                "actor": actor,
                "action": action,
                "object": object_,
                "detail": json.dumps(redact(detail), ensure_ascii=False),
            },
        )


def scrub(text: str) -> str:
    """Masks what may be a phone or an ID number: 11 to 18 digits that stand alone."""
    return _LONG_NUMBER.sub(lambda m: m[1] + "*" * len(m[2]) + m[3], text)


def head() -> str:
    """``<seq>:<digest>`` of the last entry, to be kept elsewhere; ``0:`` when there is none."""
    with transaction() as connection:
        last = connection.exec_driver_sql(
            "select seq, encode(digest, 'hex') from store.audit order by seq desc limit 1"
        ).first()
    return f"{last[0]}:{last[1]}" if last else "0:"


def verify(anchor: str | None = None) -> Verdict:
    """Recompute the whole chain, in the database and in one pass.

    :param anchor: what :func:`head` said earlier: shows that nothing was cut off or written anew up to there.
    :raises ConfigurationError: the anchor is not ``<seq>:<digest>``.
    """
    if anchor and not re.fullmatch(r"\d+:[0-9a-f]*", anchor):
        raise ConfigurationError(
            f"anchor {anchor!r}", remedy="<seq>:<digest>, as onemap audit head says it", zh="锚点应为 <序号>:<摘要>。"
        )
    with transaction() as connection:
        broken = connection.exec_driver_sql(
            r"""select seq, case when seq <> expected then 'number ' || expected || ' is missing'
                            when previous <> coalesce(before, decode(repeat('00', 32), 'hex')) then 'does not follow from the entry before'
                            else 'content and digest differ' end
                from (select a.seq, a.previous, a.digest, row_number() over w as expected, lag(a.digest) over w as before,
                             sha256(a.previous || store.audit_text(a.seq, a.at, a.actor, a.action, a.object, a.detail)) as right_digest
                      from store.audit a window w as (order by a.seq)) x
                where seq <> expected or previous <> coalesce(before, decode(repeat('00', 32), 'hex')) or digest <> right_digest
                order by seq limit 1"""
        ).first()
        entries = connection.exec_driver_sql("select count(*) from store.audit").scalar_one()
        if not broken and anchor and not anchor.startswith("0:"):
            seq, _, digest = anchor.partition(":")
            kept = connection.execute(
                sa.text("select encode(digest, 'hex') from store.audit where seq = :seq"), {"seq": int(seq)}
            ).scalar()
            if kept != digest:
                broken = (int(seq), "cut off before the anchor" if kept is None else "another chain than the anchor's")
    return Verdict(entries, head(), *(broken or (None, "")))
