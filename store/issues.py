"""Issues of a batch: counted into landing.issue, equal ones together."""

from __future__ import annotations

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


def record(connection: Connection, staged: Staged) -> None:
    """Count the batch's issues (``s<run>_issue``) into landing.issue."""
    Runner(connection, staged)(_COUNT)
