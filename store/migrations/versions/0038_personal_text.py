"""Free text is looked through for every form in which a number of a person is written, as ``core.redaction`` does it for logs."""

import importlib
from pathlib import Path

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_FUNCTION = r"""
create or replace function serving.mask_text(value text, known text[]) returns text language plpgsql immutable parallel safe as
$$
declare
    date_ constant text := '(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])';
    alone constant text := '(?:(?<![0-9A-Za-z])(?<![0-9A-Za-z]-)|(?<=[Tt][Ee][Ll])|(?<=[Ii][Dd])|(?<=[Nn][Oo])|(?<=[Pp][Hh][Oo][Nn][Ee]))';
    ends constant text := '(?![0-9A-Za-z])(?!-[0-9A-Za-z])';
    -- 身份证号 of 18 and 15 signs (GB 11643), 手机, 固定电话, 银行卡, 港澳证件, 电子邮箱, what stands behind the word for a document;
    -- no project code, case number, credit code
    patterns constant text[] := array[
        alone || '([1-9][0-9]{2})[0-9]{3}[- ]?(?:18|19|20)[0-9]{2}[- ]?' || date_ || '[- ]?[0-9]{3}[0-9Xx]()' || ends,
        alone || '([1-9][0-9]{2})[0-9]{5}' || date_ || '[0-9]{3}()' || ends,
        alone || '(?:(?:\+|00)?86[- ]?)?(1[3-9][0-9])[- .]?(?:[0-9]{4}[- .]?|[0-9]{3}[- .]?[0-9])([0-9]{4})' || ends,
        '(?:' || alone || '0|(?<=[(（])0)(10|2[0-9]|[3-9][0-9]{2})(?:[)）-]| )?[0-9]{5,6}([0-9]{2})(?:-[0-9]{1,5})?' || ends,
        alone || '(62[0-9]{2})(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,4}[ -]?[0-9]{0,3}()' || ends,
        '(?<![A-Za-z])([A-Z]{1,2})[0-9]{6}[(（][0-9A][)）]()',
        '([A-Za-z0-9._%+-])[A-Za-z0-9._%+-]*()@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}',
        '((?:护照|证件|份证|行证|乡证|胞证)(?:号码|编号|证号|号)?[:：为是 ]{0,3}[A-Za-z0-9])[A-Za-z0-9]{5,19}()(?![A-Za-z0-9])'];
    plain text;
    one text;
begin
    if value is null then return null; end if;
    if value ~ '[0-9０-９]{3}|[@＠]|护照|证' then
        plain := translate(value, '０１２３４５６７８９Ｘｘ－＋＠．', '0123456789Xx-+@.');
        foreach one in array patterns loop
            if plain ~ one then
                plain := regexp_replace(plain, one, '\1****\2', 'g');
                value := plain;
            end if;
        end loop;
    end if;
    foreach one in array known loop
        if char_length(one) between 2 and 30 then
            value := replace(value, one, left(one, 1) || repeat('*', least(char_length(one) - 1, 6)));
        end if;
    end loop;
    return value;
end $$;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(_FUNCTION)
    views = Path(__file__).with_name("0038_views.sql").read_text(encoding="utf-8")
    connection.execute(views.replace("create view", "create or replace view"))


def downgrade() -> None:
    # the views stay as they are: what they mask more, the function of before masks as well as it could
    before = importlib.import_module("store.migrations.versions.0017_masking")._FUNCTIONS
    text = before[: before.index("end $$;") + len("end $$;")]
    op.get_bind().connection.driver_connection.execute(text.replace("create function", "create or replace function"))
