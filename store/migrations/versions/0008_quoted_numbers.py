"""What a licence quotes is looked up by number as it compares: one project is judged without reading every licence and case."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create index licence_project_or_none_ix on store.licence ((coalesce(project_code, '')));
           create index licence_normal_number_ix on store.licence (store.normal_number(number));
           create index case_normal_licence_no_ix on store."case" (store.normal_number(licence_no));
           create index land_approval_normal_no_ix on store.land_approval (store.normal_number(approval_no))"""
    )


def downgrade() -> None:
    op.execute(
        """drop index store.licence_project_or_none_ix, store.licence_normal_number_ix, store.case_normal_licence_no_ix,
           store.land_approval_normal_no_ix"""
    )
