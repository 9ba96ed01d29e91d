"""Cleaning, times, numbers, words and shapes: what is written in any allowed form is read as the same."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import ConfigurationError
from mappings import cleaning, numbers, placeholders, shapes, times, words

settings.register_profile("here", deadline=None, max_examples=60, database=None)
settings.load_profile("here")

MOMENTS = st.datetimes(datetime(1930, 1, 1), datetime(2099, 12, 31, 23, 59, 59)).map(lambda t: t.replace(microsecond=0))
WIDE = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})


def column(*values: str | None) -> pl.Series:
    return pl.Series(list(values), dtype=pl.String)


def read_time(text: str, **how) -> datetime | None:
    values, bad = times.timestamps(column(text), **how)
    assert bad is None or not bad[0], text
    return values[0]


# -- cleaning


@given(st.lists(st.one_of(st.none(), st.text(alphabet=st.characters(codec="utf-8"), max_size=20)), max_size=8))
def test_cleaning_is_idempotent_and_leaves_no_dirt(texts: list[str | None]) -> None:
    once = cleaning.clean(column(*texts))
    assert cleaning.clean(once).to_list() == once.to_list()
    for text in once.drop_nulls():
        assert text and text == text.strip() and "\ufeff" not in text
        assert not any(ord(c) < 32 and c not in "\t\r\n" for c in text)
        assert not any("０" <= c <= "９" or "Ａ" <= c <= "Ｚ" or "ａ" <= c <= "ｚ" for c in text)


@given(
    st.text(alphabet="0123456789ABCxyz-中文（）", min_size=1, max_size=20),
    st.sampled_from(["", " ", "   ", "\t", "\r\n", "\u3000", "\xa0"]),
)
def test_padding_width_and_bom_do_not_count(text: str, pad: str) -> None:
    plain = text.translate(WIDE).replace("－", "-")
    assert cleaning.clean(column("\ufeff" + plain + pad))[0] == cleaning.clean(column(text))[0]


def test_empty_blank_and_absent_are_null() -> None:
    assert cleaning.clean(column("", "   ", None, "\ufeff", "\u3000", "x")).to_list() == [None] * 5 + ["x"]


def test_cleaning_keeps_punctuation_and_inner_blanks() -> None:
    assert cleaning.clean(column("东莞市 Ａ（一期），１２３")).to_list() == ["东莞市 A（一期），123"]


def test_names_compare_without_case_width_and_blanks() -> None:
    assert cleaning.fold_name("\ufeff批准面积（公顷） ") == cleaning.fold_name("批准面积(公顷)")
    assert cleaning.fold_name("sblsh_SHORT") == cleaning.fold_name("SBLSH_SHORT")


# -- times


@given(MOMENTS)
def test_a_moment_reads_the_same_in_every_form(moment: datetime) -> None:
    day = moment.replace(hour=0, minute=0, second=0)
    minute = moment.replace(second=0)
    utc = moment.replace(tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
    serial = (moment - datetime(1899, 12, 30)) / timedelta(days=1)
    forms = {
        f"{moment:%Y-%m-%d %H:%M:%S}": moment,
        f"{moment:%Y/%m/%d %H:%M:%S}": moment,
        f"{moment:%Y-%m-%d %H:%M:%S}.0": moment,
        f"{moment.year}/{moment.month}/{moment.day} {moment.hour}:{moment:%M:%S}": moment,
        f"{moment:%Y-%m-%dT%H:%M:%S}": moment,
        f"{moment:%Y-%m-%d %H:%M}": minute,
        f"{moment:%Y年}{moment.month}月{moment.day}日": day,
        f"{moment:%Y-%m-%d}": day,
        f"{moment:%Y/%m/%d}": day,
        f"{moment:%Y%m%d}": day,
        f"{moment:%Y%m%d%H%M%S}": moment,
        f"{moment:%Y-%m}": day.replace(day=1),
        f"{moment:%Y-%m-%d %H:%M:%S}".translate(WIDE): moment,
    }
    if not 1986 <= moment.year <= 1991 and moment.year > 1950:  # summer time: some local times are reported twice
        forms[f"{utc:%Y-%m-%dT%H:%M:%SZ}"] = moment
        forms[f"{utc:%Y-%m-%dT%H:%M:%S}.000+00:00"] = moment
    if moment >= datetime(1950, 1, 1):
        forms[f"{serial:.10f}"] = moment
        forms[str(int(serial))] = day
    values, bad = times.timestamps(pl.Series(list(forms)))
    assert bad is None
    assert dict(zip(forms, values, strict=True)) == forms


FORMS = {
    "dd/MM/yyyy HH:mm:ss": "%d/%m/%Y %H:%M:%S",
    "MM-dd-yyyy hh:mm:ss a": "%m-%d-%Y %I:%M:%S %p",
    "d MMM yyyy, HH:mm:ss": "%d %b %Y, %H:%M:%S",
    "yyyyMMdd'T'HHmmss": "%Y%m%dT%H%M%S",
    "yyyy年MM月dd日 HH'时'mm'分'ss'秒'": "%Y年%m月%d日 %H时%M分%S秒",
}


@given(
    MOMENTS,
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(["Europe/London", "UTC", "Asia/Kathmandu", "Asia/Shanghai"]),
)
def test_a_declared_form_and_zone_give_the_moment_back(moment: datetime, form: str, zone: str) -> None:
    there = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
    assume(there.fold == 0 and 1970 < there.year < 2037)
    here = there.astimezone(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    assert read_time(there.strftime(FORMS[form]), form=form, zone=zone) == here
    assert read_time(f"{there:%Y-%m-%d %H:%M:%S}", zone=zone) == here
    assert read_time(f"{there:%d/%m/%Y %H:%M:%S%z}", form="dd/MM/yyyy HH:mm:ssXX", zone="America/New_York") == here


def test_a_declared_form_reads_no_other() -> None:
    values, bad = times.timestamps(
        column("03/04/2026", "3/4/2026", "2026-04-03", "31/02/2026", "3/4/26", "00/00/0000", None), form="dd/MM/yyyy"
    )
    assert values.to_list() == [datetime(2026, 4, 3), datetime(2026, 4, 3), *[None] * 5]
    assert bad is not None and bad.to_list() == [False, False, True, True, True, False, False]
    assert times.timestamps(column("31/12/9999"), form="dd/MM/yyyy", no_end=True)[0].to_list() == [None]


@pytest.mark.parametrize(
    ("text", "zone", "read"),
    [
        ("2026-07-01", "America/New_York", datetime(2026, 7, 1)),  # a day is a day everywhere
        ("46204", "America/New_York", datetime(2026, 7, 1)),
        ("2026-07-01 13:10:11Z", "America/New_York", datetime(2026, 7, 1, 21, 10, 11)),  # what it states holds
        ("2026-07-01 13:10:11+00", "America/New_York", datetime(2026, 7, 1, 21, 10, 11)),
        ("2026-07-01 13:10:11.5-05", "UTC", datetime(2026, 7, 2, 2, 10, 11, 500_000)),
        ("2026-10-25 01:30:00", "Europe/London", datetime(2026, 10, 25, 8, 30)),  # twice there: the earlier
    ],
)
def test_what_a_zone_moves(text: str, zone: str, read: datetime) -> None:
    assert read_time(text, zone=zone) == read


def test_an_hour_that_a_zone_leaves_out_is_not_read() -> None:
    values, bad = times.timestamps(column("2026-03-29 01:30:00", "2026-03-29 02:30:00"), zone="Europe/London")
    assert values.to_list() == [None, datetime(2026, 3, 29, 9, 30)]
    assert bad is not None and bad.to_list() == [True, False]


@pytest.mark.parametrize(
    "form",
    [
        "",
        "yyyy",
        "dd/mm/yyyy",
        "DD/MM/YYYY",
        "dd/MM/yyyy hh:mm",
        "dd/MM/yyyy HH",
        "dd/MM/yyyy HH:mm a",
        "d/dd/M/yyyy",
        "dd/MM/yyyy HH:mm.SSS",
        "dd/MM/yyyy XX",
        "dd/MM/yyyy 'at",
    ],
)
def test_what_is_no_form(form: str) -> None:
    with pytest.raises(ValueError):
        times.directives(form)


@given(st.dates(date(1950, 1, 1), date(2090, 12, 31)))
def test_a_month_is_its_last_day_where_declared(day: date) -> None:
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    for form in (f"{day:%Y%m}", f"{day:%Y-%m}", f"{day:%Y/%m}"):
        assert read_time(form, month_end=True).date() == last
        assert read_time(form).date() == day.replace(day=1)
    assert read_time(f"{day:%Y-%m-%d}", month_end=True).date() == day


@given(st.text(max_size=12))
def test_any_text_is_read_or_told_never_raised(text: str) -> None:
    cleaned = cleaning.clean(column(text))
    values, bad = times.timestamps(cleaned)
    if cleaned[0] is None:
        assert values[0] is None and bad is None
    for read in (
        numbers.decimals,
        numbers.integers,
        words.booleans,
        words.industries,
        shapes.shapes,
        times.epoch_ms,
    ):
        values, bad = read(cleaned)
        assert (bad is not None and bad[0]) or values[0] is not None or cleaned[0] is None


@pytest.mark.parametrize(
    "text",
    ["0000-00-00", "0000-00-00 00:00:00", "0000/00/00", "0000-00-00 00:00:00.0", "0", "0001-01-01 00:00:00"],
)
def test_zero_dates_are_none(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01",
        "2026-02-30",
        "2026",
        "昨天",
        "26-03-01",
        "12026-03-01",
        "-2026-03-01",
        "26-03-01 08:00:00",
        "9999",
        "2026-03-01 25:00:00",
        "2026-3-1-2",
        "长期",
    ],
)
def test_what_is_no_time_is_told(text: str) -> None:
    values, bad = times.timestamps(column("2026-03-01 08:00:00", text))
    assert values.to_list() == [datetime(2026, 3, 1, 8), None] and bad.to_list() == [False, True]


@pytest.mark.parametrize(
    "text", ["长期", "永久", "长期有效", "9999-12-31", "9999-12-31 00:00:00", "9999/12/31", "99991231"]
)
def test_no_end(text: str) -> None:
    assert read_time(text, no_end=True) is None


def test_serials_are_of_the_1900_system() -> None:
    assert read_time("45292") == datetime(2024, 1, 1)
    assert read_time("46082.75") == datetime(2026, 3, 1, 18)
    assert read_time("36526") == datetime(2000, 1, 1)


def test_fractions_of_a_second_stay() -> None:
    assert read_time("2026-03-01 08:00:00.123456") == datetime(2026, 3, 1, 8, 0, 0, 123456)
    assert read_time("2026-03-01T00:00:00.5Z") == datetime(2026, 3, 1, 8, 0, 0, 500000)


@given(
    st.datetimes(datetime(1995, 1, 1), datetime(2090, 1, 1)).map(
        lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
    )
)
def test_epoch_ms_is_local_time(moment: datetime) -> None:
    ms = round(moment.replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)
    assert times.epoch_ms(column(str(ms)))[0][0] == moment


# -- numbers


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=4, allow_nan=False, allow_infinity=False))
def test_a_number_reads_the_same_with_and_without_separators(number: Decimal) -> None:
    forms = [f"{number:f}", f"{number:,f}", f"{number:,f}".translate(WIDE)]
    values, bad = numbers.decimals(pl.Series(forms))
    assert bad is None and set(values) == {number}


@given(st.integers(-(10**15), 10**15))
def test_an_integer_reads_the_same(number: int) -> None:
    values, bad = numbers.integers(
        pl.Series([str(number), f"{number:,}", f"{number}.0"]) if abs(number) < 10**13 else pl.Series([str(number)])
    )
    assert bad is None and set(values) == {number}


@pytest.mark.parametrize(
    "text", ["1,23", "12,34.5", "1.2.3", "一百", "1 000", "--1", ",", "1e999", "999999999999999999999"]
)
def test_what_is_no_number_is_told(text: str) -> None:
    values, bad = numbers.decimals(column(text, "1"))
    assert values.to_list() == [None, Decimal(1)] and bad.to_list() == [True, False]


def test_half_an_integer_is_told() -> None:
    assert numbers.integers(column("3.5", "3.0", None))[1].to_list() == [True, False, False]


def test_units() -> None:
    factor = numbers.factor("公顷", "m²")
    assert numbers.decimals(column("0.7655", "0.7655公顷", "1,000 公顷"), unit="公顷", factor=factor)[0].to_list() == [
        7655,
        7655,
        10_000_000,
    ]
    with pytest.raises(ConfigurationError, match="no way from unit 公顷 to 万元") as caught:
        numbers.factor("公顷", "万元")
    assert caught.value.remedy == "add the factor, or correct the mapping's unit"
    assert caught.value.zh == "mappings/units.yaml 中没有从 公顷 到 万元 的换算系数。"


# -- words


def test_codes_are_found_with_zeros_width_and_points() -> None:
    values, unknown = words.translate(
        column("3", "03", "3.0", "３", "33", None), {"3": "ACCEPTED", "0": "NONE"}, numeric=True
    )
    assert values.to_list() == ["ACCEPTED"] * 4 + [None, None]
    assert unknown.to_list() == [False] * 4 + [True, False]
    assert words.translate(column("0", "00"), {"3": "A", "0": "NONE"}, numeric=True)[0].to_list() == [
        "NONE",
        "NONE",
    ]


def test_a_code_may_be_known_and_mean_nothing() -> None:
    assert words.translate(column("在办"), {"在办": None, "撤回": "WITHDRAWN"})[1] is None


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("3973", "C3973"),
        ("C3973", "C3973"),
        ("c3973", "C3973"),
        ("４４１６", "D4416"),
        ("A01", "A01"),
        ("01", "A01"),
        ("97", "T97"),
        ("C", "C"),
    ],
)
def test_industry_codes_get_their_letter(written: str, code: str) -> None:
    assert words.industries(column(written))[0].to_list() == [code]
    assert words.industries(column(written))[1] is None


def test_an_industry_of_no_class_stays_as_written_and_is_told() -> None:
    values, bad = words.industries(column("9999", "3973"))
    assert values.to_list() == ["9999", "C3973"] and bad.to_list() == [True, False]


def test_identifiers() -> None:
    assert words.codes(column("２３０４－４４１９００-04-01-135254", "91441900ma 0000015d")).to_list() == [
        "2304-441900-04-01-135254",
        "91441900MA0000015D",
    ]
    assert words.document_numbers(column("粤府土审（04）〔2026〕1号")).to_list() == ["粤府土审(04)〔2026〕1号"]


def test_booleans() -> None:
    values, bad = words.booleans(column("1", "0", "true", "False", "是", "否", None, "9"))
    assert values.to_list() == [True, False, True, False, True, False, None, None] and bad.to_list() == [False] * 7 + [
        True
    ]


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
        lambda x: st.lists(x) | st.dictionaries(_TEXT, x),
        max_leaves=8,
    )
)
def test_json_is_written_one_way(value: object) -> None:
    spread, tight = (
        json.dumps(value, indent=2, ensure_ascii=True),
        json.dumps(value, ensure_ascii=False, sort_keys=True),
    )
    first, bad = words.parsed(column(spread))
    second, _ = words.parsed(column(tight))
    assert bad is None and first[0] == second[0]
    if first[0] is not None:
        assert json.loads(first[0]) == value


def test_json_is_what_the_store_takes() -> None:
    deep = "[" * 5_000 + "]" * 5_000
    values, bad = words.parsed(column('{"a\\u0000b": ["c\\u0000"]}', '["\\\\u0000"]', '["\\ud800"]', "[1e999]", deep))
    assert values.to_list() == ['{"ab":["c"]}', '["\\\\u0000"]', None, None, None]
    assert bad.to_list() == [False, False, True, True, True]


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59Z", "9999-12-30T16:00:00Z", "9999-12-31T00:00:00-10:00", "9999-12-31"]
)
def test_the_last_day_of_the_calendar_is_no_end_in_any_zone(text: str) -> None:
    values, bad = times.timestamps(column(text), no_end=True)
    assert values[0] is None and bad is None


@given(
    st.text("0123456789-:T Z+/.年月日", max_size=30) | st.datetimes().map(str) | st.integers(-(10**15), 10**15).map(str)
)
def test_whatever_is_read_as_a_time_is_one_that_a_column_takes(text: str) -> None:
    for values, _ in (
        times.timestamps(column(text)),
        times.timestamps(column(text), no_end=True),
        times.epoch_ms(column(text)),
    ):
        assert values[0] is None or 1000 <= values[0].year <= 9999


def test_coordinates_that_are_no_numbers_are_no_geometry() -> None:
    given_ = ["POINT (113.7 23.0)", "POINT (-inf 23)", "POINT (inf 1)", "POINT (nan 23)", "POLYGON EMPTY"]
    values, bad = shapes.shapes(column(*given_))
    assert [value is not None for value in values] == [True, False, False, False, False]  # an empty one is none
    assert bad.to_list() == [False, True, True, True, False]


def test_an_empty_list_is_not_unknown() -> None:
    values, bad = words.parsed(column("[]", '["a", null, ""]', None, "null", '""', '{"a":1}', "x"), words.listed)
    assert values.to_list() == ["[]", '["a"]', None, None, None, None, None]
    assert bad.to_list() == [False, False, False, False, False, True, True]


def test_links_lose_their_query() -> None:
    text = '{"visual":{"href":"https://s.example/a.tif?sig=abc#x","type":"t"},"plain":"b.tif?k=1","none":{}}'
    assert words.parsed(column(text), words.asset_links)[0][0] == '{"plain":"b.tif","visual":"https://s.example/a.tif"}'


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "http://[::1"]
)
def test_a_link_that_runs_or_leads_nowhere_is_unreadable(href: str) -> None:
    values, bad = words.parsed(column(json.dumps({"a": {"href": href}})), words.asset_links)
    assert values[0] is None and bad.to_list() == [True]


# -- shapes


@pytest.mark.parametrize("form", ["wkt", "hex", "geojson"])
def test_geometry_in_each_writing(form: str) -> None:
    polygon = shapely.box(113.7, 23.0, 113.8, 23.1)
    text = {"wkt": polygon.wkt, "hex": polygon.wkb_hex, "geojson": shapely.to_geojson(polygon)}[form]
    values, bad = shapes.shapes(column(text, None), multi=True)
    assert bad is None and values[1] is None
    made = shapely.from_wkb(values[0])
    assert made.geom_type == "MultiPolygon" and made.equals(polygon)
    assert shapely.from_wkb(shapes.shapes(column(text))[0][0]).geom_type == "Polygon"


def test_heights_go_and_nonsense_is_told() -> None:
    values, bad = shapes.shapes(column("POINT Z (1 2 3)", "POLYGON((0 0", "12ab", '{"type":"Nothing"}'))
    assert shapely.from_wkb(values[0]).wkt == "POINT (1 2)"
    assert bad.to_list() == [False, True, True, True]


def test_a_departments_organisation_code_becomes_its_full_code() -> None:
    read = words.departments(pl.Series(["000100028", " 11441900000100028f", "123456789", None]))
    assert read.to_list() == ["11441900000100028F", "11441900000100028F", "123456789", None]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-02-01 24:00:00", datetime(2026, 2, 2)),
        ("2026-12-31T24:00:00+08:00", datetime(2027, 1, 1)),
        ("20260201240000", datetime(2026, 2, 2)),
        ("2026-06-30 23:59:60", datetime(2026, 7, 1)),
        ("2026020109", datetime(2026, 2, 1, 9)),
        ("20260201T013005Z", datetime(2026, 2, 1, 9, 30, 5)),
        ("2026-02-01T01:00:00Z[Asia/Shanghai]", datetime(2026, 2, 1, 9)),
        ("2026-02-01 24:01:00", None),
        ("2026-W05-1", None),
        ("2026-032", None),
    ],
)
def test_forms_at_the_edge_of_iso_8601_are_read_truly_or_not_at_all(written, meant):
    found, bad = times.timestamps(pl.Series([written]))
    assert found[0] == meant and (bad is not None) == (meant is None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("441900.0", "441900"),
        ("441926020000001.00", "441926020000001"),
        ("4.41926E+17", None),
        ("1.0E17", None),
        ("1e+21", None),
        ("4419260200000012345.0", None),
        ("1E3", "1E3"),
        ("DG-401.0", "DG-401.0"),
    ],
)
def test_an_identifier_that_was_taken_for_a_number_is_what_it_was_or_nothing(written, meant):
    found, numbers = placeholders.numbers(pl.Series([written, "X"]))
    assert found.to_list() == [meant, "X"] and (numbers is not None) == (meant != written)


@pytest.mark.parametrize("none", ["{}", "[]", "TRUE", "[object Object]", "4419\ufffd26"])
def test_what_a_program_leaves_where_a_code_belongs_is_none(none):
    found, words = placeholders.without(pl.Series([none, "X"]))
    assert found.to_list() == [None, "X"] and words.to_list() == [True, False]


@pytest.mark.parametrize(
    "empty", ["POLYGON EMPTY", '{"type": "Polygon", "coordinates": []}', "GEOMETRYCOLLECTION EMPTY"]
)
@pytest.mark.parametrize("multi", [True, False])
def test_a_shape_without_a_point_is_none(empty: str, multi: bool) -> None:
    values, bad = shapes.shapes(column(empty, "POLYGON ((0 0, 1 0, 1 1, 0 0))"), multi=multi)
    assert values[0] is None and values[1] is not None and bad is None


@pytest.mark.parametrize("flat", ["POINT (1 2)", "LINESTRING (0 0, 1 1)", "GEOMETRYCOLLECTION (POINT (1 2))"])
def test_what_has_no_area_is_no_multipolygon(flat: str) -> None:
    assert shapes.shapes(column(flat), multi=True)[1].to_list() == [True]
    assert shapes.shapes(column(flat))[1] is None


@given(
    st.lists(
        st.one_of(
            st.none(),
            MOMENTS.map(str),
            st.from_regex(r"\A(?:19|20)\d\d-[01]\d-[0-3]\d( [0-2]\d:[0-6]\d:[0-6]\d)?\Z"),
            st.from_regex(r"\A\d{4}-\d\d-\d\d\Z"),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_column_of_one_form_is_read_as_its_values_one_by_one_are(texts: list[str | None]) -> None:
    read, bad = times.timestamps(column(*texts))
    told = [False] * len(texts) if bad is None else bad.fill_null(False).to_list()
    for text, moment, wrong in zip(texts, read.to_list(), told, strict=True):
        # beside a value of another form, so that it is read by itself
        alone, alone_bad = times.timestamps(column(text, "2026年3月2日"))
        assert moment == alone[0]
        assert wrong == (alone_bad is not None and bool(alone_bad[0]))


@given(st.lists(st.one_of(st.none(), st.text(max_size=4), st.text('0aZ-. "&\\\t\x00\x7f市', max_size=4)), max_size=5))
def test_what_the_bytes_of_a_column_say_holds_for_each_value(texts: list[str | None]) -> None:
    frame = pa.table({"a": pa.array(["before", *texts, "behind"], pa.large_string())}).slice(1, len(texts))
    bare, even = cleaning.by_bytes(frame.column("a"))
    values = pl.Series("a", texts, dtype=pl.String)
    plain, odd = cleaning.plain(values)
    if even:
        assert bare and odd is None and plain.equals(values, null_equal=True)
    if bare:
        assert odd is None and plain.equals(cleaning.stripped(values), null_equal=True)
        assert all(json.dumps(text) == f'"{text}"' for text in texts if text is not None)
