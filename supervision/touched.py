"""Which projects the changes of the store touch: those are judged again."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_CHANGES = "select distinct entity, entity_id from store.changes_between(:since, :until)"
#: The projects that changes of the store touch, between two of them: by their own rows, by an owner of the same name, by cases, events,
#: documents, by imagery over them, and those whose quoted numbers may have become known; and those that wait for data.
TOUCHED = f"""
    with c as materialized ({_CHANGES}),
         cases as (select entity_id as id from c where entity = 'case'
                   union select e.case_id from store.case_event e join c on c.entity = 'case_event' and c.entity_id = e.id),
         boxes as (select geom_box from store.change_polygon p join c on c.entity = 'change_polygon' and c.entity_id = p.id
                   union all select geom_box from store.scene s join c on c.entity = 'scene' and c.entity_id = s.id
                   union all select geom_box from store.redline r join c on c.entity = 'redline' and c.entity_id = r.id)
    select distinct coalesce(code, '') from (
        select entity_id as code from c where entity = 'project'
        -- same owner: which project is the one of a name may have changed
        union all select o.id from c join store.project p on c.entity = 'project' and p.id = c.entity_id
                  join store.project o on o.applicant_uscc = p.applicant_uscc
        union all select k.project_code from cases join store."case" k using (id)
        union all select f.project_code from cases join supervision.finding f on f.case_id = cases.id
        union all select l.project_code from store.licence l join c on c.entity = 'licence' and c.entity_id = l.id
        union all select l.project_code from store.land_approval l join c on c.entity = 'land_approval' and c.entity_id = l.id
        union all select r.project_code from store.redline r join boxes on r.geom_box && boxes.geom_box
        union all select l.project_code from store.land_approval l join boxes on l.geom_box && boxes.geom_box
        -- a number that became known mends a broken reference elsewhere, one that is gone breaks some
        union all select f.project_code from supervision.finding f
                  where f.rule = 'C14' and f.state in ('open', 'confirmed')
                    and exists (select from c where entity in ('licence', 'case', 'land_approval'))
        union all select l.project_code from store.licence l
                  where coalesce(l.quotes_land, l.quotes_planning, l.quotes_drawing) is not null
                    and exists (select from store.change g
                                where g.seq > :since and g.seq <= :until and g.entity in ('licence', 'case', 'land_approval')
                                  and (g.op = 'DEL' or g.columns && array['number', 'licence_no', 'approval_no']))
        -- what waited for data may be judged now
        union all select w.project_code from supervision.waiting w) t"""


def changed_projects(connection: Connection, since: int, until: int) -> list[str] | None:
    """Projects that the changes touch; None: the catalogue changed, so everything is judged."""
    parameters = {"since": since, "until": until}
    if connection.execute(
        sa.text(f"select exists (select from ({_CHANGES}) c where entity = 'item')"), parameters
    ).scalar():
        return None
    rows = connection.execute(
        sa.text(TOUCHED),
        parameters,
    )
    return [row[0] for row in rows]
