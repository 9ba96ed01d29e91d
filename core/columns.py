"""Columns of text as the memory that they stand in: what is asked of every byte is asked of all values at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def laid_out(texts: pa.LargeStringArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """(ends, held): the bytes of all texts one after the other, and where each begins and ends in them, one more than there
    are texts. A null takes no bytes, as an empty text does.
    """
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return np.zeros(len(texts) + 1, np.int64), np.empty(0, np.uint8)
    ends = np.frombuffer(offsets, np.int64, len(texts) + 1, 8 * texts.offset)
    return ends - ends[0], np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
