"""What is put into Airflow's own database before its components start.

Run as ``python -m cli.stack.metadata`` with Airflow's environment, JSON on standard input and output: Airflow reads
its settings when it is imported, and the command line is not to carry all of Airflow.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from core.settings import home

MARK = "OneMap stand-in 模拟数源"
# A Connection is ours to write over while it carries our mark and the digest of what we wrote: a person who edits one
# makes it theirs. What is encrypted is compared as it is stored.
SEAL = (
    "concat('" + MARK + " [', md5(concat_ws('|', conn_id, conn_type, host, login, schema, port, password, extra)), ']')"
)
OURS = f"coalesce(description, '') = {SEAL}"


def main() -> None:
    asked = json.load(sys.stdin)
    answer: dict[str, Any] = {}
    if "connections" in asked:
        write_connections(asked["connections"])
    if "pools" in asked:
        write_pools(asked["pools"])
    if asked.get("leftovers"):
        answer["leftovers"] = fail_leftovers()
    json.dump(answer, sys.stdout)


def write_connections(connections: list[dict[str, Any]]) -> None:
    """Connections of the stand-ins, encrypted by Airflow; ours of an earlier start are replaced, others kept."""
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select, text

    with create_session() as session:
        session.execute(text(f"delete from connection where {OURS}"))
        retained = set(session.scalars(select(Connection.conn_id)))
        for fields in connections:
            if fields["conn_id"] in retained:
                continue
            session.add(
                Connection(
                    conn_id=fields["conn_id"],
                    conn_type=fields.get("conn_type") or "generic",
                    description=MARK,
                    host=fields.get("host") or None,
                    port=fields.get("port") or None,
                    login=fields.get("login") or None,
                    password=fields.get("password") or None,
                    schema=fields.get("schema") or None,
                    extra=json.dumps(fields.get("extra") or {}),
                )
            )
            session.flush()
            session.execute(
                text(f"update connection set description = {SEAL} where conn_id = :id"), {"id": fields["conn_id"]}
            )


def write_pools(pools: dict[str, dict[str, Any]]) -> None:
    """One pool a source; the slots of a pool that is there stay as a person set them."""
    from airflow.models import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        there = set(session.scalars(select(Pool.pool)))
        for name, pool in pools.items():
            if name not in there:
                session.add(
                    Pool(pool=name, slots=pool["slots"], description=pool["description"], include_deferred=False)
                )
    written = home() / "pools.json"  # DAGs are parsed without a database: they learn here which pools there are
    part = written.with_suffix(".part")
    part.write_text(json.dumps(sorted(there | pools.keys())), "utf-8")
    part.replace(written)


def fail_leftovers() -> int:
    """End what a killed run left as running: nothing of it runs any more, and the pipeline goes on from its own state."""
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState
    from sqlalchemy import select

    alive = [state for state in TaskInstanceState if state not in _FINISHED]
    with create_session() as session:
        runs = list(session.scalars(select(DagRun).where(DagRun.state.in_([DagRunState.RUNNING, DagRunState.QUEUED]))))
        for run in runs:
            tasks = session.scalars(
                select(TaskInstance).where(
                    TaskInstance.dag_id == run.dag_id,
                    TaskInstance.run_id == run.run_id,
                    (TaskInstance.state.is_(None)) | (TaskInstance.state.in_(alive)),
                )
            )
            for task in tasks:
                task.state = TaskInstanceState.FAILED
            run.state = DagRunState.FAILED
    return len(runs)


_FINISHED = {"success", "failed", "skipped", "upstream_failed", "removed"}

if __name__ == "__main__":
    main()
