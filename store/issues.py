"""Issues of a batch: counted into landing.issue, equal ones together."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.staging import Staged
from store.statements import Runner

_COUNT = """
insert into landing.issue as i (code, severity, duty, feed, record, field, detail, fingerprint, run_id, count)
select code, min(severity), min(duty), :feed, record, field, coalesce(detail, ''),
       sha256(convert_to(concat_ws(chr(31), code, coalesce(record, chr(30)), coalesce(field, chr(30)),
                                   coalesce(detail, '')), 'UTF8')),
       :run, sum(count)
from {issue}
group by code, record, field, coalesce(detail, ''), detail
on conflict (feed, fingerprint) do update set
    severity = excluded.severity, duty = excluded.duty, run_id = excluded.run_id, last_seen_at = now(),
    count = i.count + excluded.count
"""

#: What was told of a record that came again just so is seen again.
_SEEN_AGAIN = """
update landing.issue i set last_seen_at = now(), count = i.count + 1
from {unchanged} u join source.record r on r.id = u.record_id
where i.feed = :feed and i.record = r.record_key and i.run_id is distinct from :run
"""


#: One issue that a step after the merges found, on a record's feed.
_ADD = """
insert into landing.issue as i (code, severity, duty, feed, record, field, detail, fingerprint, count)
select :code, :severity, :duty, feed, record, :field, detail,
       sha256(convert_to(concat_ws(chr(31), cast(:code as text), record, cast(:field as text), detail), 'UTF8')), 1
from {found}
on conflict (feed, fingerprint) do update set last_seen_at = now()
"""


def add(
    connection: Connection, code: str, field: str, found: str, *, severity: str = "warning", duty: str = "provider"
) -> None:
    """Record what a step after the merges found: ``found`` is a table with ``feed``, ``record`` and ``detail``."""
    connection.execute(
        sa.text(_ADD.replace("{found}", found)), {"code": code, "field": field, "severity": severity, "duty": duty}
    )


def record(connection: Connection, staged: Staged) -> None:
    """Count the batch's issues (``s<run>_issue``) into landing.issue."""
    run = Runner(connection, staged)
    run(_COUNT)
    if staged.unchanged:
        run(_SEEN_AGAIN)
