"""What identity and fold need: membership, the codes of the items, and the comparisons that SQL makes."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(statements)


def downgrade() -> None:
    for function in ("project_code_valid", "project_code_old", "normal_name", "normal_number"):
        op.execute(f"drop function store.{function}(text)")
    op.execute("drop table store.member, store.item_code")
    op.execute("drop index source.case_municipal_no_ix, source.case_department_no_ix, store.project_applicant_uscc_ix")
