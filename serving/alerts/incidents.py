"""Incidents as rows: opened once, seen as long as the trouble lasts, closed when it is over; who was told when, and whether it arrived."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from serving.alerts.detect import Trouble
from store.engine import transaction

_SEEN = """
insert into serving.incident (key, kind, severity, source, content) values (:key, :kind, :severity, :source, cast(:content as jsonb))
on conflict (key) where closed_at is null
do update set seen_at = now(), severity = excluded.severity, content = excluded.content"""
_OVER = """
update serving.incident set closed_at = now() where closed_at is null and kind <> 'dag' and not key = any(:keys)"""
_CLOSE = "update serving.incident set closed_at = now() where closed_at is null and key = :key"
_OPEN = """
select id, key, kind, severity, source, content, opened_at, seen_at, closed_at from serving.incident where closed_at is null
order by severity desc, opened_at, id"""
_RECENT = """
select id, key, kind, severity, source, content, opened_at, seen_at, closed_at from serving.incident
where closed_at is not null order by closed_at desc, id desc limit :limit"""


def observe(troubles: list[Trouble]) -> None:
    """What is wrong now: new ones open, known ones stay, what is not among them is over."""
    with transaction() as connection:
        for trouble in troubles:
            connection.execute(sa.text(_SEEN), _values(trouble))
        connection.execute(sa.text(_OVER), {"keys": [trouble.key for trouble in troubles]})


def report(trouble: Trouble) -> None:
    """A trouble that somebody tells of, not one that :func:`observe` finds; :func:`resolve` ends it."""
    with transaction() as connection:
        connection.execute(sa.text(_SEEN), _values(trouble))


def resolve(key: str) -> None:
    """It is over."""
    with transaction() as connection:
        connection.execute(sa.text(_CLOSE), {"key": key})


def open_incidents() -> list[dict[str, Any]]:
    """The worst first."""
    return _rows(_OPEN)


def recent(limit: int = 50) -> list[dict[str, Any]]:
    """Those that are over, the latest first."""
    return _rows(_RECENT, limit=limit)


def messages(limit: int = 50) -> list[dict[str, Any]]:
    """What was sent, and whether it arrived; the latest first."""
    return _rows(
        "select at, route, channel, event, title, error from serving.incident_message order by id desc limit :limit",
        limit=limit,
    )


def _values(trouble: Trouble) -> dict[str, Any]:
    content = json.dumps(trouble.as_dict(), ensure_ascii=False)
    return {
        "key": trouble.key,
        "kind": trouble.kind,
        "severity": trouble.severity,
        "source": trouble.source,
        "content": content,
    }


def _rows(statement: str, **values: Any) -> list[dict[str, Any]]:
    with transaction() as connection:
        return [dict(row) for row in connection.execute(sa.text(statement), values).mappings()]
