"""What is silent, as a page or an answer about one project needs it: looked at once for all that has arrived, not at each request."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock, settings
from quality.silence.episode import Watched
from serving import rulebook
from store.engine import transaction
from supervision import silence

_MINUTES = 5  # a silence begins by time alone: so old may what was looked at be

#: of the last runs alone: the table holds every run that there ever was
_ARRIVED = """
select (select max(id) from landing.run),
       (select max(ended_at) from (select ended_at from landing.run order by id desc limit 1000) r),
       (select count(*) from landing.silence), (select max(greatest(ended_at, approved_at::timestamp)) from landing.silence)"""


def watched(connection: Connection, as_of: date) -> Watched:
    """The same as :func:`supervision.silence.look` of the last minutes, and of the newest run and decision."""
    now = clock.now()
    state = connection.execute(sa.text(_ARRIVED)).one()
    stamp = (settings.database_url(), now.date(), (now.hour * 60 + now.minute) // _MINUTES, *state)
    return _look(stamp, as_of)


@lru_cache(maxsize=4)
def _look(stamp: tuple[Any, ...], as_of: date) -> Watched:
    with transaction() as connection:
        return silence.look(connection, as_of, rulebook.rules().calendar)
