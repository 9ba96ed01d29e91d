"""The bytes of a column of text, and where each text stands in them."""

import pyarrow as pa
import pytest

from core.columns import laid_out
from mappings.cleaning import by_bytes


@pytest.mark.parametrize("texts", [[], [None, None], ["", ""], ["a", None, "", "莞城"], ["x"] * 3])
def test_each_text_stands_where_it_is_said(texts):
    for column in (pa.array(["before", *texts, "after"], pa.large_string())[1:-1], pa.array(texts, pa.large_string())):
        ends, held = laid_out(column)
        assert [held[a:b].tobytes().decode() for a, b in zip(ends, ends[1:], strict=False)] == [t or "" for t in texts]


def test_a_column_with_an_empty_text_is_not_even():
    assert by_bytes(pa.chunked_array([pa.array(["A1", ""], pa.large_string())])) == (True, False)
    assert by_bytes(pa.chunked_array([pa.array(["", ""], pa.large_string())])) == (True, False)
    assert by_bytes(pa.chunked_array([pa.array(["A1", None], pa.large_string())])) == (True, True)
