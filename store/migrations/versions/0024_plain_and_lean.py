r"""A document's number that is plain already is compared as it is; and indexes that cost more than they found.

Digits, Latin letters, ``()./_-`` and ideographs of U+4E00–U+9FFF are left as they are by NFKC and by the translation of brackets and
blanks (Unicode Standard Annex #15), so that what a number is compared by stays the same and no index has to be made again.

Which golden row a source row speaks of, and the changes of a row, are found by a hash of its id; source rows of entities that
nothing looks up by key are found by their record alone.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_BLANKS = r"E' \t\n\x0b\f\r\u0085\u1680\u2028\u2029'"
_NORMAL = f"translate(normalize(number, nfkc), '〔【[［〈{{〕】]］〉}}' || {_BLANKS}, '{'(' * 6}{')' * 6}')"
_FUNCTION = """create or replace function store.normal_number(number text) returns text
    language sql immutable parallel safe
    return nullif(upper({}), '')"""
_KEYS = {
    "change_polygon": "polygon_code",
    "engineering": "engineering_code",
    "enterprise": "uscc",
    "item": "item_code, version",
    "land_approval": "approval_no, project_code",
    "national_task": "task_guid",
    "parcel": "parcel_code",
    "redline": "redline_code",
    "scene": "collection, scene_id",
    "site_reading": "project_code, device, kind, read_at",
}
_BOXES = ("change_polygon", "land_approval", "parcel", "redline", "scene")


def upgrade() -> None:
    plain = r"number ~ '^[0-9A-Za-z()./_\u4e00-\u9fff-]*$'"
    op.execute(_FUNCTION.format(f"case when {plain} then number else {_NORMAL} end"))
    for entity, key in _KEYS.items():
        op.execute(f"drop index source.{entity}_{key.replace(', ', '_')}_ix")
    for entity in _BOXES:
        op.execute(f"drop index source.{entity}_geom_box_ix")
    op.execute(
        """alter table store.member drop constraint member_pk;
           drop index store.member_entity_id_ix;
           create index member_record_id_ix on store.member (record_id);
           create index member_id_ix on store.member using hash (id);
           alter table store.change drop column content_hash;
           drop index store.change_entity_entity_id_seq_ix;
           create index change_entity_id_ix on store.change using hash (entity_id)"""
    )


def downgrade() -> None:
    op.execute(_FUNCTION.format(_NORMAL))
    for entity, key in _KEYS.items():
        op.execute(f"create index {entity}_{key.replace(', ', '_')}_ix on source.{entity} ({key})")
    for entity in _BOXES:
        op.execute(f"create index {entity}_geom_box_ix on source.{entity} using gist (geom_box)")
    op.execute(
        """drop index store.member_record_id_ix, store.member_id_ix, store.change_entity_id_ix;
           alter table store.member add constraint member_pk primary key (entity, record_id, ord);
           create index member_entity_id_ix on store.member (entity, id);
           alter table store.change add column content_hash bytea;
           comment on column store.change.content_hash is '内容摘要 | of the row after the change';
           create index change_entity_entity_id_seq_ix on store.change (entity, entity_id, seq)"""
    )
