"""脱敏策略 How personal data is masked, and by which scope it is seen in clear: ``schemas/masking.yaml``."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core import declared
from core.settings import ROOT

FILE = ROOT / "schemas" / "masking.yaml"
Mask = Literal["phone", "number", "name"]  # each a function serving.mask_<name>


class Policy(BaseModel):
    """The file. Patterns are of fnmatch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    masks: dict[Mask, list[str]] = Field(description="How → patterns of columns, the first that fits")
    free_text: list[str] = Field(description="Columns that people write in their own words")
    clear: dict[str, list[str]] = Field(description="Scope → patterns of entity.column that it shows in clear")

    @model_validator(mode="after")
    def _whole(self) -> Policy:
        if missing := set(get_args(Mask)) - set(self.masks):
            raise ValueError(f"masks lacks {', '.join(sorted(missing))}")
        if not any("*" in patterns for patterns in self.masks.values()):
            raise ValueError("masks must end in a '*': a personal column without a mask would be shown")
        if self.clear.get("read:personal") != ["*"]:
            raise ValueError('clear: read:personal shows everything, ["*"]')
        if wrong := [scope for scope in self.clear if not scope.startswith("read:")]:
            raise ValueError(f"a scope begins with read:, {wrong[0]} does not")
        return self


@cache
def policy() -> Policy:
    """:raises ConfigurationError: with file and line."""
    return declared.load(FILE, Policy)


def kind(column: str) -> Mask:
    """How a personal column is masked."""
    return next(how for how, patterns in policy().masks.items() if _fits(column, patterns))


def is_free_text(column: str) -> bool:
    """Whether people write it in their own words."""
    return _fits(column, policy().free_text)


def scopes() -> set[str]:
    """Scopes that show some personal columns in clear, besides read:personal."""
    return set(policy().clear) - {"read:personal"}


def in_clear(held: Iterable[str]) -> list[str]:
    """Patterns of entity.column that these scopes show in clear."""
    return sorted({pattern for scope in held for pattern in policy().clear.get(scope, ())})


def shown(entity: str, column: str, patterns: Iterable[str]) -> bool:
    """Whether a column is one of those shown in clear."""
    return _fits(f"{entity}.{column}", patterns)


def _fits(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
