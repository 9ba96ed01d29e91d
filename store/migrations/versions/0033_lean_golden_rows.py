"""Golden rows cost less: provenance names the record that most columns are from once, and content is compared by eight bytes.

Rows that stand are brought to the new form, so that nothing is told as changed that is not.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_GOLDEN = """select c.table_name from information_schema.columns c
    where c.table_schema = 'store' and c.column_name = 'provenance' order by 1"""
_OWN = ("provenance", "content_hash", "changed_at", "gone_at")


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    for (table,) in connection.execute(_GOLDEN).fetchall():
        columns = connection.execute(
            """select column_name from information_schema.columns
               where table_schema = 'store' and table_name = %s and udt_name <> 'box' and column_name <> all(%s)""",
            (table, list(_OWN)),
        ).fetchall()
        row = ", ".join(f'g."{name}"' for name in sorted(name for (name,) in columns))
        connection.execute(
            f"""update store."{table}" g set content_hash = int8send(hash_record_extended(row({row}), 0)),
                    provenance = case when g.provenance = '{{}}' or g.provenance ? '*' then g.provenance else
                        (select jsonb_build_object('*', m.ref) || coalesce((
                             select jsonb_object_agg(p.key, p.value) from jsonb_each_text(g.provenance) p where p.value <> m.ref), '{{}}')
                         from (select value as ref from jsonb_each_text(g.provenance) group by value
                               order by count(*) desc, value collate "C" limit 1) m) end;
                comment on column store."{table}".content_hash is
                    '内容摘要 | hash of the columns above: compared with the same row''s own alone';
                comment on column store."{table}".provenance is
                    '字段来源 | column -> feed and record key; *: every column that is not named'"""
        )


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    for (table,) in connection.execute(_GOLDEN).fetchall():
        # provenance stays: the version before reads * as well
        connection.execute(
            f"""update store."{table}" g set content_hash = sha256(convert_to(
                    (to_jsonb(g) - 'provenance' - 'content_hash' - 'changed_at' - 'gone_at')::text, 'UTF8'));
                comment on column store."{table}".content_hash is '内容摘要 | SHA-256 of the columns above';
                comment on column store."{table}".provenance is '字段来源 | column -> feed and record key'"""
        )
