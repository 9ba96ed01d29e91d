"""A person's word on identity: it overrules the keys, is kept with who and why, and can be undone.

Two numbers are one case or are not; a project code as written (an old one, a wrong one, that of a project which another has
taken in) means a project. The records concerned are taken up again by the next unify.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError, NotFoundError
from store import journal
from store.engine import transaction


@dataclass(frozen=True, slots=True)
class Member:
    """A number that belongs to a case, and why."""

    channel: str
    case_no: str
    case_id: str
    why: str
    judgement_id: int | None


#: All members of the cases that an id, a number, or a number with its channel means.
_MEMBERS = """select channel, case_no, case_id, why, judgement_id from store.case_member
where case_id in (select case_id from store.case_member where case_id = :id or case_no = :id
                  or channel || ':' || case_no = :id)
order by case_id, why <> 'self', channel, case_no"""


def members(case_id: str) -> list[Member]:
    """Every number that the identity step joined to the case that ``case_id`` (or one of its numbers) names."""
    with transaction() as connection:
        rows = connection.execute(
            sa.text(_MEMBERS),
            {"id": case_id},
        )
        return [Member(*row) for row in rows]


def judge(left: str, right: str, verdict: str, *, by: str, note: str) -> int:
    """Say of two numbers ``<channel>:<case_no>`` that they are one case (``same``) or not (``different``).

    Returns the judgement's id.

    :raises ConfigurationError: unknown number, or a verdict of another kind.
    """
    if verdict not in ("same", "different"):
        raise ConfigurationError(
            f"verdict {verdict!r}", remedy="same or different", zh="判定只能是 same 或 different。"
        )
    left, right = sorted((left, right))
    with transaction() as connection:
        for number in (left, right):
            known = connection.execute(
                sa.text("select 1 from store.case_member where channel || ':' || case_no = :n"), {"n": number}
            ).scalar()
            if not known:
                raise NotFoundError(
                    f"no such number {number}",
                    remedy="give it as <channel>:<case_no>, see onemap identity show",
                    zh=f"没有编号 {number}，请用 <来源系统>:<办件编号> 的形式。",
                )
        judgement = _written(connection, "case", left, right, verdict, by, note)
        _take_up_cases(connection, [left, right])
    journal.decided()
    return judgement


def rename(alias: str, project: str, *, by: str, note: str) -> int:
    """Say that a project code as written, ``alias``, means ``project``. Returns the judgement's id.

    :raises ConfigurationError: no such project, a code that means itself, or one that others are sent to.
    """
    with transaction() as connection:
        if not connection.execute(
            sa.text("select 1 from store.project where id = :id and gone_at is null"), {"id": project}
        ).scalar():
            raise NotFoundError(
                f"no project {project}",
                remedy="give a project that stands: onemap position <code>",
                zh=f"库中没有在库项目 {project}。",
            )
        sent = connection.execute(
            sa.text("select alias from store.project_alias where project_id = :alias order by 1"), {"alias": alias}
        )
        if alias == project or (others := list(sent.scalars())):
            raise ConfigurationError(
                f"{alias} cannot mean {project}: "
                + ("it is the same code" if alias == project else f"{', '.join(others)} mean {alias}"),
                remedy="undo those judgements first: onemap identity list",
                zh=f"{alias} 不能指向 {project}："
                + ("两者相同。" if alias == project else f"{'、'.join(others)} 已指向它，请先撤销。"),
            )
        judgement = _written(connection, "project", alias, project, "same", by, note)
        connection.execute(
            sa.text(
                """insert into store.project_alias (alias, project_id, why, judgement_id) values (:alias, :project, 'judgement', :id)
                   on conflict (alias) do update set project_id = excluded.project_id, why = excluded.why,
                       judgement_id = excluded.judgement_id, since = now()"""
            ),
            {"alias": alias, "project": project, "id": judgement},
        )
        _take_up_project(connection, alias)
    journal.decided()
    return judgement


def undo(judgement_id: int, *, by: str) -> None:
    """Take a judgement back; it stays on record. :raises ConfigurationError: none of that id is in force."""
    with transaction() as connection:
        row = connection.execute(
            sa.text(
                """update store.identity_judgement set undone_at = now(), undone_by = :by
                   where id = :id and undone_at is null returning entity, left_id, right_id"""
            ),
            {"id": judgement_id, "by": by},
        ).first()
        if row is None:
            raise NotFoundError(
                f"no judgement {judgement_id} in force",
                remedy="see onemap identity list",
                zh=f"没有生效中的判定 {judgement_id}。",
            )
        if row.entity == "project":
            connection.execute(
                sa.text("delete from store.project_alias where judgement_id = :id"), {"id": judgement_id}
            )
            _take_up_project(connection, row.left_id)
        else:
            _take_up_cases(connection, [row.left_id, row.right_id])
    journal.decided()


def listed() -> list[dict[str, Any]]:
    """Every judgement, undone ones included, the latest first."""
    with transaction() as connection:
        rows = connection.execute(sa.text("select * from store.identity_judgement order by id desc"))
        return [dict(row._mapping) for row in rows]


def _written(connection: Connection, entity: str, left: str, right: str, verdict: str, by: str, note: str) -> int:
    """What was said before of the same is undone by it."""
    connection.execute(
        sa.text(
            """update store.identity_judgement set undone_at = now(), undone_by = :by
               where entity = :entity and left_id = :left and (right_id = :right or entity = 'project') and undone_at is null"""
        ),
        {"entity": entity, "left": left, "right": right, "by": by},
    )
    return connection.execute(
        sa.text(
            """insert into store.identity_judgement (entity, left_id, right_id, verdict, judged_by, note)
               values (:entity, :left, :right, :verdict, :by, :note) returning id"""
        ),
        {"entity": entity, "left": left, "right": right, "verdict": verdict, "by": by, "note": note},
    ).scalar_one()


#: Records that speak of some numbers are to be unified again.
_TAKE_UP = """insert into store.dirty (record_id, feed, run_id)
select distinct r.id, r.feed, r.run_id from source.record r
join source."case" s on s.record_id = r.id
where s.channel || ':' || s.case_no = any(:numbers)"""


def _take_up_cases(connection: Connection, numbers: list[str]) -> None:
    connection.execute(
        sa.text(_TAKE_UP),
        {"numbers": numbers},
    )


#: Every record that names the project is taken up by the next unify.
_PROJECT_IS_DIRTY = """insert into store.dirty (record_id, feed, run_id)
select r.id, r.feed, r.run_id from source.record r
where r.id in (select record_id from source.project where project_code = :code
               union select record_id from source."case" where project_code = :code
               union select record_id from source.licence where project_code = :code)"""


def _take_up_project(connection: Connection, code: str) -> None:
    connection.execute(sa.text(_PROJECT_IS_DIRTY), {"code": code})
