"""Findings, work orders, stages and clocks stand in the change feed too, with their values before and after."""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

#: entity of the feed → (table, key, what is told of it, which rows are worth an ADD or a DEL)
_WATCHED = {
    "finding": (
        "supervision.finding",
        ("id",),
        (
            "rule",
            "project_code",
            "item_code",
            "case_no",
            "case_id",
            "level",
            "kind",
            "severity",
            "department_code",
            "department_name",
            "text",
            "state",
            "opened_on",
            "closed_on",
            "decision_note",
        ),
        "true",
    ),
    "work_order": (
        "supervision.work_order",
        ("no",),
        (
            "finding_id",
            "rule",
            "project_code",
            "item_code",
            "case_no",
            "department_code",
            "department_name",
            "severity",
            "state",
            "dispatched_at",
            "due_on",
            "urged_on",
            "escalated_on",
            "result",
            "closed_at",
        ),
        "true",
    ),
    "project_stage": (
        "supervision.stage_state",
        ("project_code", "stage"),
        ("project_code", "stage", "stage_name", "state", "completed_at"),
        "r.state in ('完成', '进行')",
    ),
    # a clock moves every day: what is told is that its light, its limits or its due dates changed; an ended one is its case's
    "clock": (
        "supervision.clock",
        ("case_id",),
        (
            "project_code",
            "light",
            "promised_limit",
            "statutory_limit",
            "due_promised",
            "due_statutory",
            "ended_at",
            "paused",
        ),
        "r.light <> '灰'",
    ),
}


def _functions() -> str:
    made = []
    for entity, (table, key, told, worth) in _WATCHED.items():

        def row(alias: str, names: tuple[str, ...] = told) -> str:
            return "pg_catalog.jsonb_build_object(" + ", ".join(f"'{n}', {alias}.{n}" for n in names) + ")"

        def identity(alias: str, keys: tuple[str, ...] = key) -> str:
            return " || ':' || ".join(f"{alias}.{k}" for k in keys)

        changed = (
            "array_remove(array["
            + ", ".join(f"case when o.{n} is distinct from n.{n} then '{n}' end" for n in told)
            + "], null)"
        )
        join = " and ".join(f"o.{k} = n.{k}" for k in key)
        differ = f"({', '.join(f'o.{n}' for n in told)}) is distinct from ({', '.join(f'n.{n}' for n in told)})"
        made.append(f"""
create function serving.feed_{entity}() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'INSERT' then
        insert into store.change (entity, entity_id, op, after)
        select '{entity}', {identity("r")}, 'ADD', {row("r")} from new_rows r where {worth};
    elsif tg_op = 'UPDATE' then
        insert into store.change (entity, entity_id, op, columns, before, after)
        select '{entity}', {identity("n")}, 'MOD', {changed}, {row("o")}, {row("n")}
        from old_rows o join new_rows n on {join} where {differ};
    else
        insert into store.change (entity, entity_id, op, before)
        select '{entity}', {identity("r")}, 'DEL', {row("r")} from old_rows r where {worth};
    end if;
    return null;
end $$;
create trigger feed_add after insert on {table} referencing new table as new_rows
    for each statement execute function serving.feed_{entity}();
create trigger feed_mod after update on {table} referencing old table as old_rows new table as new_rows
    for each statement execute function serving.feed_{entity}();
create trigger feed_del after delete on {table} referencing old table as old_rows
    for each statement execute function serving.feed_{entity}();""")
    return "\n".join(made)


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(
        """alter table store.change add column before jsonb, add column after jsonb;
           comment on column store.change.before is '变更前 | values before, where the feed tells them';
           comment on column store.change.after is '变更后 | values after, where the feed tells them'"""
    )
    connection.execute(_functions())
    views = Path(__file__).with_name("0015_views.sql").read_text(encoding="utf-8")
    connection.execute(views.replace("create view", "create or replace view"))


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    for entity, (table, *_) in _WATCHED.items():
        for trigger in ("feed_add", "feed_mod", "feed_del"):
            connection.execute(f"drop trigger {trigger} on {table}")
        connection.execute(f"drop function serving.feed_{entity}()")
    connection.execute("drop view onemap.change; drop view asked.change")
    connection.execute("alter table store.change drop column before, drop column after")
    connection.execute(Path(__file__).with_name("0007_views.sql").read_text(encoding="utf-8"))
