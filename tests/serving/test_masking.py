"""Masking fails closed: what is not known to be an organisation's is a person's, and free text is looked through."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core import redaction
from store.engine import engine
from tests.hub import hub, migrated  # noqa: F401


def one(statement: str, *values):
    with engine().connect() as connection:
        return connection.exec_driver_sql(f"select {statement}", values).scalar()


@pytest.mark.parametrize(
    ("name", "kind", "code", "shown"),
    [
        ("张三", "1", None, "张*"),
        ("张三", None, None, "张*"),
        ("张三丰", "9", None, "张**"),
        ("欧阳娜娜", "", "440102198001010017", "欧***"),
        ("张三", "1", "91441900MA0000015D", "张*"),
        ("东莞某公司", None, None, "东莞某公司"),
        ("东莞某厂", "2", None, "东莞某厂"),
        ("某某", None, "91441900MA0000015D", "某某"),
        ("张公司", None, None, "张**"),
        (None, None, None, None),
    ],
)
def test_an_applicant_is_a_person_until_it_is_known_not_to_be(hub, name, kind, code, shown):  # noqa: F811
    assert one("serving.mask_applicant(%s::text, %s::text, %s::text)", name, kind, code) == shown


@pytest.mark.parametrize(
    "text",
    [
        "补正：张三（440102198001010017）电话13800138000",
        "请联系张三 138-0013-8000",
        "身份证44010219800101001x",
        "座机0769-22223333张三",
    ],
)
def test_free_text_holds_no_number_and_no_name_known_beside(hub, text):  # noqa: F811
    told = one("serving.mask_text(%s, array['张三', null]::text[])", text)
    for secret in ("张三", "440102198001010017", "13800138000", "0013", "44010219800101001x", "22223333"):
        assert secret not in told


#: What numbers of persons, and what only looks like them, are put together from.
PIECES = [
    *[
        "0",
        "1",
        "3",
        "9",
        "62",
        "86",
        "138",
        "0013",
        "8000",
        "440102",
        "19800101",
        "0769",
        "22223333",
        "6222021234567890123",
        "H123456",
        "(7)",
    ],
    *[
        "０",
        "１",
        "Tel",
        "id",
        "No",
        "com",
        "a.com",
        "b",
        "_",
        "%",
        "+",
        ".",
        "-",
        "@",
        "＠",
        "X",
        "x",
        "(",
        ")",
        "（",
        "）",
        "：",
        "张",
        "证",
        "件",
        "号",
        "护照",
        "通行证",
        "身份证",
    ],
    " ",
]


@given(
    st.one_of(
        st.text("0123456789０１９ -+.@Xx()（）证件号Telcom张", max_size=60),
        st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    )
)
@example("护照Telcomab")
@example("%@a.com")
@example("62319800101138")
@example("张三-13800138000")
@example("Tel13800138000")
@example("１３８００１３８０００")
@example("(0769)22223333 0769-22223333-801")
@example("440102 19800101 0017")
@example("6222 0212 3456 7890 123")
@example("护照号E12345678，持H123456(7)，zhang.san@example.com.cn")
@example("项目2503-441900-04-02-001382 1f13800138000c 2026-11-27 10:13:58.123456 113.751234567,23.0412345678")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_free_text_is_masked_where_a_log_would_be(hub, text):  # noqa: F811
    assert (one("serving.mask_text(%s, '{}'::text[])", text) == text) == (redaction.depersonalise(text) == text)


@pytest.mark.parametrize(
    "text", ["项目2503-441900-04-02-001382，办件44192503260001001", "同意。91441900MA0000015D", ""]
)
def test_free_text_without_a_person_stays(hub, text):  # noqa: F811
    assert one("serving.mask_text(%s, '{}'::text[])", text) == text


def test_the_views_mask_what_they_show(hub):  # noqa: F811
    with engine().begin() as connection:
        connection.exec_driver_sql(
            """insert into store."case" (id, channel, case_no, applicant_name, result_text, contact_name, content_hash)
               values ('X:1', 'X', '1', '张三', '李四电话13800138000', '李四', '')"""
        )
        connection.exec_driver_sql("set local role onemap_reader")
        (row,) = connection.exec_driver_sql('select applicant_name, result_text from onemap."case"')
    assert tuple(row) == ("张*", "李*电话138****8000")
