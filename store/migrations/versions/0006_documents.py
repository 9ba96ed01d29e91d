"""Documents are looked up by their number as it compares; a person may say which project a code means."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create index licence_normal_number_ix on source.licence (store.normal_number(number));
           alter table store.identity_judgement drop constraint identity_judgement_order_ck;
           alter table store.identity_judgement add constraint identity_judgement_order_ck check (entity = 'project' or left_id < right_id);
           comment on column store.identity_judgement.left_id is '甲 | one of the two; of a project the code as written';
           comment on column store.identity_judgement.right_id is '乙 | the other, left_id < right_id; of a project the one that is meant'"""
    )


def downgrade() -> None:
    op.execute(
        """drop index source.licence_normal_number_ix;
           alter table store.identity_judgement drop constraint identity_judgement_order_ck;
           alter table store.identity_judgement add constraint identity_judgement_order_ck check (left_id < right_id) not valid"""
    )
