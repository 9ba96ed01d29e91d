"""Indexes by which rows find each other hold the rows whose column is filled: nothing is looked for by its absence.

An entry for each row without a value cost a load as much as one with it, all of them in one place of the index.
"""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_INDEXES = {
    'source."case"': (
        ("applicant_id",),
        ("engineering_code",),
        ("department_no",),
        ("municipal_no",),
        ("channel", "case_no"),
        ("project_code",),
    ),
    "source.case_event": (("channel", "case_no"),),
    "source.licence": (("channel", "case_no"), ("project_code",), ("engineering_code",), ("certificate_id",)),
    "source.material": (("channel", "case_no"),),
    "source.project": (("project_code",),),
    "source.special_procedure": (("channel", "case_no"),),
    'store."case"': (("engineering_code",),),
    "store.licence": (("engineering_code",), ("case_no",)),
}


def _make(*, partial: bool) -> None:
    for table, indexes in _INDEXES.items():
        schema, _, name = table.replace('"', "").partition(".")
        for columns in indexes:
            index = f"{name}_{'_'.join(columns)}_ix"
            where = f" where {columns[-1]} is not null" if partial else ""
            op.execute(f"drop index {schema}.{index}")
            op.execute(f"create index {index} on {table} ({', '.join(columns)}){where}")


def upgrade() -> None:
    _make(partial=True)


def downgrade() -> None:
    _make(partial=False)
