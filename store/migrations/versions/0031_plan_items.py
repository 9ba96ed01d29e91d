"""What a project is expected to go through (its plan) stands in the change feed too, with values before and after."""

from pathlib import Path

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_TOLD = (
    "project_code",
    "item_code",
    "item_name",
    "stage",
    "kind",
    "department",
    "department_code",
    "expected",
    "state",
    "done_at",
    "turn",
)
_TRIGGERS = ("feed_add", "feed_mod", "feed_del")


def _row(alias: str) -> str:
    return "pg_catalog.jsonb_build_object(" + ", ".join(f"'{name}', {alias}.{name}" for name in _TOLD) + ")"


def _function() -> str:
    changed = ", ".join(f"case when o.{n} is distinct from n.{n} then '{n}' end" for n in _TOLD)
    before, after = (", ".join(f"{alias}.{n}" for n in _TOLD) for alias in "on")
    return f"""
create function serving.feed_project_item() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'INSERT' then
        insert into store.change (entity, entity_id, op, after)
        select 'project_item', r.project_code || ':' || r.item_code, 'ADD', {_row("r")} from new_rows r;
    elsif tg_op = 'UPDATE' then
        insert into store.change (entity, entity_id, op, columns, before, after)
        select 'project_item', n.project_code || ':' || n.item_code, 'MOD', array_remove(array[{changed}], null), {_row("o")}, {_row("n")}
        from old_rows o join new_rows n on o.project_code = n.project_code and o.item_code = n.item_code
        where ({before}) is distinct from ({after});
    else
        insert into store.change (entity, entity_id, op, before)
        select 'project_item', r.project_code || ':' || r.item_code, 'DEL', {_row("r")} from old_rows r;
    end if;
    return null;
end $$;
create trigger feed_add after insert on supervision.project_item referencing new table as new_rows
    for each statement execute function serving.feed_project_item();
create trigger feed_mod after update on supervision.project_item referencing old table as old_rows new table as new_rows
    for each statement execute function serving.feed_project_item();
create trigger feed_del after delete on supervision.project_item referencing old table as old_rows
    for each statement execute function serving.feed_project_item();"""


def _views(name: str) -> str:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return text.replace("create view", "create or replace view")


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(_function())
    connection.execute(_views("0031_views.sql"))


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    for trigger in _TRIGGERS:
        connection.execute(f"drop trigger {trigger} on supervision.project_item")
    connection.execute("drop function serving.feed_project_item()")
    connection.execute(_views("0028_views.sql"))
