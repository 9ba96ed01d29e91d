"""A unified social credit code with a wrong check character joins nothing; records that are set aside are counted."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """-- GB 32100-2015: weights 3^(i-1) mod 31 over the 17 characters before the check character
           create function store.uscc_valid(code text) returns boolean
               language plpgsql immutable parallel safe as
           $$
           declare
               alphabet constant text := '0123456789ABCDEFGHJKLMNPQRTUWXY';  -- pragma: allowlist secret
               weight integer := 1;
               total integer := 0;
               sign text;
           begin
               if code is null or code !~ '^[0-9A-HJ-NP-RTUWXY]{18}$' then
                   return false;
               end if;
               foreach sign in array string_to_array(left(code, 17), null) loop
                   total := total + (strpos(alphabet, sign) - 1) * weight;
                   weight := weight * 3 % 31;
               end loop;
               return (31 - total % 31) % 31 = strpos(alphabet, right(code, 1)) - 1;
           end
           $$;
           comment on function store.uscc_valid(text) is
               '统一社会信用代码且校验位正确（GB 32100-2015）| unified social credit code, right check character';
           create index record_refused_ix on source.record (feed) where (refused_at is not null)"""
    )


def downgrade() -> None:
    op.execute("drop index source.record_refused_ix; drop function store.uscc_valid(text)")
