"""Declarations are read strictly, and a message says where."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from core import declared
from core.errors import ConfigurationError


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int
    kind: str = "plain"

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind == "odd":
            raise ValueError("odd is not a kind")
        return kind


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    parts: list[Part] = []


def write(folder: Path, text: str) -> Path:
    path = folder / "thing.yaml"
    path.write_text(text, "utf-8")
    return path


def test_plain_data_and_the_line_of_each_node(tmp_path: Path) -> None:
    document = declared.read(write(tmp_path, "# 注释\nname: 名\nparts:\n  - size: 1\n  - {size: 2, kind: x}\n"))
    assert document.data == {"name": "名", "parts": [{"size": 1}, {"size": 2, "kind": "x"}]}
    assert type(document.data) is dict and type(document.data["name"]) is str
    assert document.where(("name",)).endswith("thing.yaml:2")
    assert document.where(("parts", 1, "kind")).endswith(":5")
    assert document.where(("parts", 1, "absent")).endswith(":5")


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "parts:\n  - size: x\n  - size: 2\n    kind: odd\n    colour: red\n")
    with pytest.raises(ConfigurationError) as caught:
        declared.load(path, Whole)
    message = caught.value.message
    assert "thing.yaml:2: parts[0].size:" in message
    assert "thing.yaml:4: parts[1].kind: odd is not a kind" in message
    assert "thing.yaml:5: parts[1].colour: no such key" in message
    assert "thing.yaml:1: name: is missing" in message
    assert "thing.yaml:4" in caught.value.zh


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("name: a\nname: b\n", 2, "duplicate"),
        ("name: a\nparts: [1, 2\nother: 3\n", 3, "expected"),
        ("name: a\n\tparts: 1\n", 2, "tab character"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str, line: int, word: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"thing\.yaml:{line}: .*{word}"):
        declared.read(write(tmp_path, text))


def test_a_file_that_is_missing_or_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="absent.yaml: cannot be read"):
        declared.read(tmp_path / "absent.yaml")
    path = tmp_path / "gbk.yaml"
    path.write_bytes("name: 名".encode("gbk"))
    with pytest.raises(ConfigurationError, match="not UTF-8 at byte 6"):
        declared.read(path)


def test_a_list_is_no_declaration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="mapping of keys"):
        declared.load(write(tmp_path, "- 1\n"), Whole)


def test_yes_and_no_are_words_and_dates_are_text(tmp_path: Path) -> None:
    """YAML 1.2: only true and false are booleans."""
    assert declared.read(write(tmp_path, "a: no\nb: true\n")).data == {"a": "no", "b": True}
