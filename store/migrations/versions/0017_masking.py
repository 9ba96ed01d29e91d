"""Masking fails closed: an applicant's name is shown where it is known to be an organisation's; free text is looked through."""

from pathlib import Path

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_VERSIONS = Path(__file__).parent

_FUNCTIONS = r"""
create function serving.mask_text(value text, known text[]) returns text language plpgsql immutable parallel safe as
$$
declare
    one text;
begin
    if value is null then return null; end if;
    if value ~ '\d{4}' then
        -- ID numbers of 18 and 15 signs (GB 11643), mobile and fixed telephones; no project code, case number, credit code
        value := regexp_replace(value,
            '(?<![0-9A-Za-z-])([1-9]\d{2})(?:\d{3}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]'
            || '|\d{5}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})(?![0-9A-Za-z-])', '\1***************', 'g');
        value := regexp_replace(value,
            '(?<![0-9A-Za-z-])(?:\+?86[- ]?)?(1[3-9]\d)[- ]?\d{4}[- ]?(\d{4})(?![0-9A-Za-z-])', '\1****\2', 'g');
        value := regexp_replace(value, '(?<![0-9A-Za-z-])(0\d{2,3})-\d{5,6}(\d{2})(?![0-9A-Za-z-])', '\1-*****\2', 'g');
    end if;
    foreach one in array known loop
        if char_length(one) between 2 and 30 then
            value := replace(value, one, left(one, 1) || repeat('*', least(char_length(one) - 1, 6)));
        end if;
    end loop;
    return value;
end $$;
comment on function serving.mask_text(text, text[]) is '自由文本脱敏：证件号、电话、同记录中的人名 | ID numbers, phones, names known beside';
create function serving.mask_applicant(value text, kind text, code text) returns text language sql immutable parallel safe
    return case when kind = '1' then serving.mask_name(value)
                when kind in ('2', '3') then value
                when code ~ '^[0-9A-HJ-NP-RTUWXY]{2}\d{6}[0-9A-HJ-NP-RTUWXY]{10}$' and code !~ '^\d{17}[\dXx]$' then value
                when char_length(value) >= 4 and value ~ '(公司|厂|集团|局|委员会|政府|医院|学校|大学|中心|合作社|事务所|协会|分公司)$' then value
                else serving.mask_name(value) end;
comment on function serving.mask_applicant(text, text, text) is
    '申请人、持证人名称：未能确认为单位的按个人脱敏 | shown only where it is known to be an organisation''s';
grant execute on function serving.mask_text(text, text[]), serving.mask_applicant(text, text, text) to public;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(_FUNCTIONS)
    views = (_VERSIONS / "0017_views.sql").read_text(encoding="utf-8")
    connection.execute(views.replace("create view", "create or replace view"))


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    now = (_VERSIONS / "0017_views.sql").read_text(encoding="utf-8")
    wanted = {statement.split("\n")[0] for statement in now.split(";\n") if statement.startswith("create view")}
    before: dict[str, str] = {}
    for path in sorted(_VERSIONS.glob("*_views.sql")):
        if path.name < "0017":
            for statement in path.read_text(encoding="utf-8").split(";\n"):
                body = "create view" + statement.partition("create view")[2]  # a comment may stand before the first
                if body.split("\n")[0] in wanted:
                    before[body.split("\n")[0]] = body
    for statement in before.values():
        connection.execute(statement.replace("create view", "create or replace view"))
    connection.execute(
        "drop function serving.mask_text(text, text[]); drop function serving.mask_applicant(text, text, text)"
    )
