"""Types of parameters whose values declarations say: towns, channels, coordinate systems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import core_schema


class OneOf:
    """``Annotated[str, OneOf(values)]``: a text that is one of these, as ``Literal`` of them would be."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = list(values)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.literal_schema(self.values)
