"""Rows for an enterprise, an agent, a team: who looks after which project, and what a grant held to projects may see."""

from pathlib import Path

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_VERSIONS = Path(__file__).parent

_TABLES = """
create table supervision.assignment (
    id bigint generated always as identity primary key,
    project_code text not null,
    kind text not null check (kind in ('agent', 'team')),
    name text not null,
    since timestamptz not null default now(),
    until timestamptz,
    by text not null,
    why text
);
create unique index assignment_now_ix on supervision.assignment (project_code, kind) where until is null;
create index assignment_name_ix on supervision.assignment (kind, name) where until is null;
comment on table supervision.assignment is '代办与专班 | who looks after a project: one agent and one team at a time, handed over by hand';
comment on column supervision.assignment.kind is '代办员、专班 | agent, team';
create table supervision.care_note (
    id bigint generated always as identity primary key,
    project_code text not null,
    kind text not null check (kind in ('note', 'promise')),
    text text not null,
    due_on date,
    at timestamptz not null default now(),
    by text not null,
    kept_at timestamptz,
    kept_by text,
    check (kind = 'note' or due_on is not null)
);
create index care_note_project_ix on supervision.care_note (project_code);
comment on table supervision.care_note is '代办记录与承诺 | notes and promises of those who look after a project; a promise has its day, and who saw it kept';
create table supervision.reminder (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('yellow', 'supplement', 'notice')),
    case_id text not null,
    project_code text,
    until date not null,
    told text not null check (told in ('agent', 'enterprise', 'department')),
    name text not null,
    text text not null,
    at timestamptz not null default now(),
    unique (kind, case_id, until, told)
);
create index reminder_project_ix on supervision.reminder (project_code);
comment on table supervision.reminder is '临期提醒 | what was told before it is late, to agent, enterprise and department, once each';
create table supervision.insight (as_of date primary key, made_at timestamptz not null default now(), told jsonb not null);
comment on table supervision.insight is '改革台账与用时去向 | what the city learned of its cases, a row a day';
"""

#: what a grant says beside towns and departments → the projects; each kind that is given must hold
_PROJECTS = """
    seen.enterprise := coalesce(jsonb_typeof(told -> 'enterprises') = 'array', false);
    if seen.enterprise or jsonb_typeof(told -> 'agents') = 'array' or jsonb_typeof(told -> 'teams') = 'array' then
        seen.projects := array(
            select p.id from store.project p
            where p.gone_at is null
              and (not seen.enterprise or p.applicant_uscc in (select jsonb_array_elements_text(told -> 'enterprises')))
              and (jsonb_typeof(told -> 'agents') is distinct from 'array'
                   or coalesce((select a.name from supervision.assignment a
                                where a.project_code = p.id and a.kind = 'agent' and a.until is null), p.agent)
                      in (select jsonb_array_elements_text(told -> 'agents')))
              and (jsonb_typeof(told -> 'teams') is distinct from 'array'
                   or exists (select from supervision.assignment a
                              where a.project_code = p.id and a.kind = 'team' and a.until is null
                                and a.name in (select jsonb_array_elements_text(told -> 'teams')))));
    end if;
    return seen;
end $$"""


def _function() -> str:
    """``serving.sight_of`` as the first revision of serving made it."""
    made = (_VERSIONS / "0005_serving.sql").read_text(encoding="utf-8")
    body = made[made.index("create function serving.sight_of") :]
    return body[: body.index("end $$;") + len("end $$")].replace("create function", "create or replace function")


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(_TABLES)
    connection.execute("alter type serving.sight add attribute projects text[], add attribute enterprise boolean")
    connection.execute(_function().replace("\n    return seen;\nend $$", _PROJECTS))
    views = (_VERSIONS / "0021_views.sql").read_text(encoding="utf-8")
    connection.execute(views.replace("create view", "create or replace view"))


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    now = (_VERSIONS / "0021_views.sql").read_text(encoding="utf-8")
    wanted = {statement.split("\n")[0] for statement in now.split(";\n") if statement.startswith("create view")}
    before: dict[str, str] = {}
    for path in sorted(_VERSIONS.glob("*_views.sql")):
        if path.name < "0021":
            for statement in path.read_text(encoding="utf-8").split(";\n"):
                body = "create view" + statement.partition("create view")[2]  # a comment may stand before the first
                if body.split("\n")[0] in wanted:
                    before[body.split("\n")[0]] = body
    for statement in before.values():
        connection.execute(statement.replace("create view", "create or replace view"))
    connection.execute(_function())
    connection.execute("alter type serving.sight drop attribute projects, drop attribute enterprise")
    connection.execute(
        "drop table supervision.assignment, supervision.care_note, supervision.reminder, supervision.insight"
    )
