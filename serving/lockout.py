"""Wrong log-ins and wrong keys: told on the audit log, and after too many nobody is let in by that name, or from that address, for
a while. Counted in the database, so that every process and machine counts together.

A name that has been tried wrongly :data:`NAME_TRIES` times is closed for :data:`SPAN`, its right password too: guessing does not
go on. An address that showed :data:`ADDRESS_TRIES` wrong keys is answered 429; a right key still passes, since 256 random bits
are not guessed and many may come through one address. Behind a proxy the address is the client's where uvicorn trusts the proxy
(``FORWARDED_ALLOW_IPS``).
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from serving import audit
from store.engine import transaction

NAME_TRIES, ADDRESS_TRIES = 5, 20
SPAN = timedelta(minutes=15)


def account(name: str) -> str:
    """What is counted of a person's account."""
    return f"account:{name[:60]}"


def address(client: str | None) -> str:
    """What is counted of an address."""
    return f"address:{(client or '?')[:60]}"


def closed(subject: str) -> int:
    """Seconds for which nobody is let in; 0: the way is free."""
    most = NAME_TRIES if subject.startswith("account:") else ADDRESS_TRIES
    with transaction() as connection:
        left = connection.execute(
            sa.text(
                """select extract(epoch from start + :span - clock_timestamp()) from serving.refusal
                   where subject = :subject and tries >= :most and start + :span > clock_timestamp()"""
            ),
            {"subject": subject, "span": SPAN, "most": most},
        ).scalar()
    return int(left) + 1 if left is not None else 0


#: Count a wrong try; the count begins anew once the span of the first has passed.
_COUNT_TRY = """insert into serving.refusal as r (subject, start, tries) values (:subject, clock_timestamp(), 1)
on conflict (subject) do update set
    tries = case when r.start + :span > clock_timestamp() then r.tries + 1 else 1 end,
    start = case when r.start + :span > clock_timestamp() and r.tries < :most then r.start
                 when r.start + :span > clock_timestamp() and r.tries >= :most then r.start
                 else clock_timestamp() end
returning tries"""


def refused(subject: str, where: str) -> None:
    """Count a wrong try and put it on the audit log: the first of a span, and the one that closes the way."""
    most = NAME_TRIES if subject.startswith("account:") else ADDRESS_TRIES
    with transaction() as connection:
        tries = connection.execute(
            sa.text(_COUNT_TRY), {"subject": subject.replace("\x00", ""), "span": SPAN, "most": most}
        ).scalar_one()
        connection.exec_driver_sql("delete from serving.refusal where start < clock_timestamp() - interval '1 day'")
    if tries in (1, most):
        audit.append(subject, "refused", where, {"tries": tries, "closed": tries >= most})


def passed(subject: str) -> None:
    """A right try forgets the wrong ones."""
    with transaction() as connection:
        connection.execute(sa.text("delete from serving.refusal where subject = :subject"), {"subject": subject})
