"""Declared YAML: read strictly, and every message names file and line.

``read`` gives plain data with the line of each node; ``load`` makes a pydantic model of it. All that is wrong with a
file is told in one error, not the first alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from core.errors import ConfigurationError
from core.settings import ROOT

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's plain data (dict, list, str, int, float, bool, None), its bytes, and the line of each node."""

    path: Path
    data: Any
    content: bytes
    lines: dict[Place, int] = field(repr=False)

    @property
    def name(self) -> str:
        """The file as people write it: relative to the checkout where it lies in it."""
        path = self.path.resolve()
        return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(self.path)

    def where(self, place: Sequence[str | int]) -> str:
        """``file:line`` of a node, or of the nearest one above it that has a line."""
        steps = tuple(place)
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return f"{self.name}:{self.lines.get(steps, 1)}"

    def error(self, place: Sequence[str | int], message: str) -> ConfigurationError:
        """A ConfigurationError that points at the node."""
        return self.errors([(place, message)])

    def errors(self, faults: Iterable[tuple[Sequence[str | int], str]]) -> ConfigurationError:
        """One ConfigurationError of many faults, in the order of their lines."""
        told = [(self.where(place), _dotted(place), message) for place, message in faults]
        told.sort(key=lambda fault: int(fault[0].rpartition(":")[2]))
        text = "; ".join(
            f"{where}: {name}: {message}" if name else f"{where}: {message}" for where, name, message in told
        )
        return ConfigurationError(
            text,
            remedy="correct the declaration at the place named",
            zh=f"声明文件有误，请按所示文件与行号更正：{text}",
            field=told[0][1] or None,
        )


def read(path: Path) -> Document:
    """Read one YAML file. :raises ConfigurationError: not there, not UTF-8, not YAML, or a key stands twice."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror}",
            remedy="add the file or correct the name that refers to it",
            zh=f"无法读取声明文件 {path}：{error.strerror}",
        ) from error
    empty = Document(path, None, content, {})
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    try:
        tree = yaml.load(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise empty.error((), f"not UTF-8 at byte {error.start}") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Document(path, None, content, {(): (mark.line + 1) if mark else 1})
        problem = str(error.problem or error.context or "not YAML").strip().splitlines()[0]
        raise at.error((), problem) from error
    lines: dict[Place, int] = {(): 1}
    data = _plain(tree, (), lines)
    return Document(path, data, content, lines)


def load(path: Path, model: type[Model], **given: Any) -> Model:
    """Read a file as ``model``; ``given`` are keys that the file may leave out (its name, say).

    :raises ConfigurationError: with every fault, each with its file and line.
    """
    return build(read(path), model, **given)


def build(document: Document, model: type[Model], **given: Any) -> Model:
    """The same of a document already read."""
    if not isinstance(document.data, dict):
        raise document.error((), "the file must hold a mapping of keys to values")
    try:
        return model.model_validate({**given, **document.data})
    except ValidationError as error:
        raise document.errors(
            (_in_file(document, fault["loc"]), _message(fault)) for fault in error.errors()
        ) from error


def _message(fault: Any) -> str:
    message: str = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return "no such key"
    if fault["type"] == "missing":
        return "is missing"
    return message


def _in_file(document: Document, loc: Sequence[str | int]) -> Place:
    """pydantic's place without the names of union members, which are no keys of the file."""
    node, steps = document.data, []
    for step in loc:
        if isinstance(node, dict) and step in node or isinstance(node, list) and isinstance(step, int):
            node = node[step]  # type: ignore[index]
            steps.append(step)
        elif step == loc[-1]:
            steps.append(step)  # the missing key itself
    return tuple(steps)


def _plain(node: Any, place: Place, lines: dict[Place, int]) -> Any:
    if isinstance(node, CommentedMap):
        for key in node:
            lines[(*place, key)] = node.lc.key(key)[0] + 1 if key in (node.lc.data or {}) else lines.get(place, 1)
        return {key: _plain(value, (*place, key), lines) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            lines[(*place, index)] = node.lc.item(index)[0] + 1
        return [_plain(value, (*place, index), lines) for index, value in enumerate(node)]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (str, int, float):  # ruamel's scalars carry their notation: take the bare value
        if isinstance(node, kind):
            return kind(node)
    return node


def _dotted(place: Sequence[str | int]) -> str:
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
