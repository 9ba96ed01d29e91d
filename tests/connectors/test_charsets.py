"""Which charset bytes are in: by evidence, whatever is said of them, and never for one byte's sake."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decoders import charsets

TEXT = "东莞市自然资源局关于某某制造有限公司建设用地的批复（粤府土审〔2026〕1号），面积1.5公顷"
PAGE = f'{{"name": "{TEXT}"}}'


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("said", [(), ("utf-8",), ("gbk",), ("iso-8859-1",), ("no-such-charset",), ("utf-16",)])
def test_text_is_read_in_its_charset_whatever_is_said(codec, said):
    decoded = charsets.decode(PAGE.encode(codec), said)
    assert (decoded.text, decoded.damaged) == (PAGE, False)
    assert not decoded.charset.doubtful


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
@given(st.data())
def test_one_bad_byte_does_not_change_its_neighbours(codec, data):
    body = bytearray("\n".join(f"{n},{TEXT}" for n in range(8)).encode(codec))
    lines = bytes(body).split(b"\n")
    place = data.draw(st.integers(len(lines[0]) + 1, len(lines[0]) + len(lines[1])))
    body[place] = 0xFF
    decoded = charsets.decode(bytes(body))
    assert decoded.charset.name == codec
    read = decoded.text.split("\n")
    assert [read[0], *read[2:]] == [line.decode(codec) for line in (lines[0], *lines[2:])]
    assert decoded.damaged and charsets.MARKED.search(decoded.text)


def test_two_hanzi_that_pass_for_utf8_are_gbk():
    assert charsets.decode("联通".encode("gbk")).text == "联通"


def test_what_has_no_plausible_reading_is_doubtful():
    assert charsets.judge(bytes(range(128, 256)) * 8).doubtful


@given(st.binary(max_size=300))
def test_any_bytes_are_read(body):
    decoded = charsets.decode(body, ["gbk"])
    decoded.text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "text",
    [
        TEXT.encode().decode("gbk", "replace"),
        TEXT.encode().decode("cp1252", "replace"),
        TEXT.encode("gbk").decode("latin-1"),
        "东莞市".encode().decode("gb18030", "ignore"),
        "锟斤拷",
        "某某\ufffd公司",
        "???????",
        "???有限公司",
    ],
)
def test_mangled_text_is_seen(text):
    assert charsets.is_mangled(text)
    assert charsets.may_be_mangled(pa.chunked_array([pa.array([TEXT, None, text], pa.large_string())[1:]]))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "张䶮",
        "Müller GmbH",
        "café",
        "100m²",
        "𠮷祥",
        "",
        "ABC",
        "Ⅲ级",
        "αβγ",
        "Why???",
        "真的吗???",
        "http://x/?a=???",
    ],
)
def test_sound_text_is_not_mangled(text):
    assert not charsets.is_mangled(text)


def test_one_odd_value_does_not_make_a_page_of_utf_8_another_charset():
    body = ('{"XMC": "东莞市", "TZ": "' + "e\u0301" * 40 + '"}').encode()
    assert charsets.decode(body).charset.name == "utf-8" and not charsets.decode(body).damaged
    with pytest.raises(UnicodeDecodeError):
        body.decode("gb18030")
