"""Keys of the API: made and revoked by the command line, kept as a digest, counted at every request.

A key is ``om_`` and 256 random bits; so a plain SHA-256 cannot be searched, and no salt is needed. Revoking takes effect
with the next request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import ConfigurationError, NotFoundError
from serving import derive
from serving.access import Grant, grant_of
from store.engine import transaction

PER_MINUTE, PER_DAY = 600, 100_000
LIFE = timedelta(days=365)  # of a key for which nobody says another
GRACE = timedelta(days=7)  # that a key lives on beside the one that follows it


@dataclass(frozen=True, slots=True)
class Admission:
    """A key that was found, and how much of its quotas is used with this request; ``*_left`` in seconds. ``stale``: what serving
    derives lags behind the store (:mod:`serving.derive`)."""

    grant: Grant
    per_minute: int
    per_day: int
    minute_used: int
    day_used: int
    minute_left: float
    day_left: float
    stale: bool

    @property
    def over(self) -> float | None:
        """Seconds to wait when a quota is used up, else None."""
        if self.day_used > self.per_day:
            return self.day_left
        return self.minute_left if self.minute_used > self.per_minute else None


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def make(
    name: str,
    scopes: Iterable[str],
    *,
    by: str,
    per_minute: int = PER_MINUTE,
    per_day: int = PER_DAY,
    expires: datetime | None = None,
) -> tuple[str, str]:
    """(id, key) of a new key. The key is shown here and never again; it ends after :data:`LIFE` unless ``expires`` says otherwise.

    :raises ConfigurationError: a scope that is none.
    """
    scopes = sorted(set(scopes))
    grant_of(name, scopes)
    key_id, key = f"k{secrets.token_hex(4)}", f"om_{secrets.token_urlsafe(32)}"
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into serving.api_key (id, digest, name, scopes, per_minute, per_day, made_by, expires_at)
                   values (:id, :digest, :name, :scopes, :per_minute, :per_day, :by, coalesce(:expires, now() + :life))"""
            ),
            {
                "id": key_id,
                "digest": digest(key),
                "name": name,
                "scopes": scopes,
                "per_minute": per_minute,
                "per_day": per_day,
                "by": by,
                "expires": expires,
                "life": LIFE,
            },
        )
    return key_id, key


def listed() -> list[dict[str, Any]]:
    """Every key, revoked ones too, with its use of today."""
    with transaction() as connection:
        rows = connection.exec_driver_sql(
            """select k.id, k.name, k.scopes, k.per_minute, k.per_day, k.made_at, k.made_by, k.expires_at, k.revoked_at, k.revoked_by,
                      case when u.start = date_trunc('day', now()) then u.used else 0 end as used_today, u.start as used_last
               from serving.api_key k left join serving.key_use u on u.key_id = k.id and u.span = 'day' order by k.made_at, k.id"""
        )
        return [dict(row._mapping) for row in rows]


def revoke(key_id: str, *, by: str) -> None:
    """:raises ConfigurationError: there is no such key in force."""
    with transaction() as connection:
        done = connection.execute(
            sa.text(
                "update serving.api_key set revoked_at = now(), revoked_by = :by where id = :id and revoked_at is null"
            ),
            {"id": key_id, "by": by},
        ).rowcount
    if not done:
        raise NotFoundError(
            f"no key {key_id!r} in force", remedy="see onemap keys list", zh=f"没有生效中的密钥 {key_id}。"
        )


def rotate(key_id: str, *, by: str, grace: timedelta = GRACE) -> tuple[str, str]:
    """(id, key) of the key that follows: name, scopes and quotas as they are; the old one ends after ``grace``.

    :raises ConfigurationError: there is no such key in force.
    """
    with transaction() as connection:
        old = connection.execute(
            sa.text(
                """update serving.api_key set expires_at = least(coalesce(expires_at, 'infinity'), now() + :grace)
                   where id = :id and revoked_at is null and (expires_at is null or expires_at > now())
                   returning name, scopes, per_minute, per_day"""
            ),
            {"id": key_id, "grace": grace},
        ).first()
    if old is None:
        raise ConfigurationError(
            f"no key {key_id!r} in force", remedy="see onemap keys list", zh=f"没有生效中的密钥 {key_id}。"
        )
    return make(old.name, old.scopes, by=by, per_minute=old.per_minute, per_day=old.per_day)


_ADMIT = f"""select a.*, {derive.STALE} as stale,
       set_config('synchronous_commit', 'off', true)  -- a count that a crash forgets harms nobody
from serving.admit(:digest) a"""


def admit(key: str) -> Admission | None:
    """Who a key is, counted against its quotas; None: unknown, revoked or expired."""
    with transaction() as connection:
        found = connection.execute(sa.text(_ADMIT), {"digest": digest(key)}).first()
    if found is None:
        return None
    return Admission(
        grant_of(f"{found.id} {found.name}", found.scopes, found.id),
        *(found.per_minute, found.per_day, found.minute_used, found.day_used, found.minute_left, found.day_left),
        stale=found.stale,
    )
