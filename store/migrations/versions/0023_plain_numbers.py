r"""A document's number that is plain already is compared as it is: most are, and normalising cost a third of writing a licence.

Digits, Latin letters, ``()./_-`` and ideographs of U+4E00–U+9FFF are left as they are by NFKC and by the translation of brackets and
blanks (Unicode Standard Annex #15), so that what a number is compared by stays the same and no index has to be made again.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_BLANKS = r"E' \t\n\x0b\f\r\u0085\u1680\u2028\u2029'"
_NORMAL = f"translate(normalize(number, nfkc), '〔【[［〈{{〕】]］〉}}' || {_BLANKS}, '{'(' * 6}{')' * 6}')"
_FUNCTION = """create or replace function store.normal_number(number text) returns text
    language sql immutable parallel safe
    return nullif(upper({}), '')"""


def upgrade() -> None:
    plain = r"number ~ '^[0-9A-Za-z()./_\u4e00-\u9fff-]*$'"
    op.execute(_FUNCTION.format(f"case when {plain} then number else {_NORMAL} end"))


def downgrade() -> None:
    op.execute(_FUNCTION.format(_NORMAL))
