"""Declared YAML: read strictly, and every message names file and line.

``read`` gives plain data with the line of each node; ``load`` makes a pydantic model of it. All that is wrong with a
file is reported in one error, not the first alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from core.errors import ConfigurationError, NotFoundError
from core.settings import ROOT

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
Loaded = TypeVar("Loaded")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's plain data (dict, list, str, int, float, bool, None), its bytes, and the line of each node.

    ``doubts``: lines with the mark ``# ?`` and what stands behind it: guesses of a draft that a person has to decide on.
    """

    path: Path
    data: Any
    content: bytes
    places: dict[Place, int] | None = field(default=None, repr=False)
    doubts: tuple[tuple[int, str], ...] = ()
    prefix: Place = ()

    def under(self, key: str) -> Document:
        """The same file as the value of a key: what has no name of its own is built as a field of a model."""
        return Document(self.path, {key: self.data}, self.content, None, self.doubts, (key,))

    @property
    def lines(self) -> dict[Place, int]:
        """Where each node stands: found when something is to be said of it."""
        if self.places is not None:
            return self.places
        return {(*self.prefix, *place): line for place, line in _places(self.content).items()}

    @property
    def name(self) -> str:
        """The file as people write it: relative to the checkout where it lies in it."""
        return _shown(self.path)

    def where(self, place: Sequence[str | int]) -> str:
        """``file:line`` of a node, or of the nearest one above it that has a line."""
        steps = tuple(place)
        lines = self.lines
        while steps and steps not in lines:
            steps = steps[:-1]
        return f"{self.name}:{lines.get(steps, 1)}"

    def error(self, place: Sequence[str | int], message: str) -> ConfigurationError:
        """A ConfigurationError that points at the node."""
        return self.errors([(place, message)])

    def undecided(self) -> ConfigurationError | None:
        """What a draft left open; None where every guess is decided."""
        if not self.doubts:
            return None
        result = "; ".join(f"{self.name}:{line}: {why}" for line, why in self.doubts)
        return ConfigurationError(
            f"{len(self.doubts)} guesses are not decided: {result}",
            remedy="decide each line with the mark # ?, correct it where it is wrong, then delete the mark",
            zh=f"草稿中有 {len(self.doubts)} 处待人工确认（# ?），确认或更正后删去该标记：{result}",
        )

    def errors(self, faults: Iterable[tuple[Sequence[str | int], str]]) -> ConfigurationError:
        """One ConfigurationError of many faults, in the order of their lines."""
        result = [(self.where(place), dotted(place), message) for place, message in faults]
        result.sort(key=lambda fault: int(fault[0].rpartition(":")[2]))
        text = "; ".join(
            f"{where}: {name}: {message}" if name else f"{where}: {message}" for where, name, message in result
        )
        return ConfigurationError(
            text,
            remedy="correct the declaration at the place named",
            zh=f"声明文件有误，请按所示文件与行号更正：{text}",
            field=result[0][1] or None,
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
    try:
        text = content.decode("utf-8")
        data = yaml.load(text, _Fast)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unreadable(path, content, error) from error
    return Document(path, data, content, None, _doubts(text))


class _Fast(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml with the scalars of YAML 1.2 (``yes``, ``010``, ``1:30`` are what they look like); a key that stands twice is none."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                name = self.construct_object(key, deep=True)
                if name in names:
                    raise yaml.constructor.ConstructorError(None, None, f"duplicate key {name!r}", key.start_mark)
                names.add(name)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


for _kind, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    _Fast.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}",
        re.compile(f"^(?:{_form})$"),
        [*_first.replace("\0", ""), *([""] if "\0" in _first else [])],
    )


for _first, _known in yaml.SafeLoader.yaml_implicit_resolvers.items():
    for _tag, _pattern in _known:
        if _tag == "tag:yaml.org,2002:timestamp":
            _Fast.add_implicit_resolver(_tag, _pattern, [_first])


def _whole(loader: yaml.Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2].lower() in ("0o", "0x") else int(text)


_Fast.add_constructor("tag:yaml.org,2002:int", _whole)
_Fast.add_constructor(
    "tag:yaml.org,2002:float",
    lambda loader, node: float(str(loader.construct_scalar(node)).replace(".inf", "inf").replace(".nan", "nan")),
)


@lru_cache(maxsize=4)
def _places(content: bytes) -> dict[Place, int]:
    """Where each node of a sound document stands, found once for all that is to be said of it."""
    loader = _Fast(content.decode("utf-8"))
    lines: dict[Place, int] = {(): 1}
    try:
        if (root := loader.get_single_node()) is not None:
            _locate(loader, root, (), lines)
    finally:
        loader.dispose()
    return lines


def _locate(loader: _Fast, node: yaml.Node, place: Place, lines: dict[Place, int]) -> None:
    """Write down the lines of what stands under ``node``; what a merge key (``<<``) brings in stands where it is merged."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*place, index)] = item.start_mark.line + 1
            _locate(loader, item, (*place, index), lines)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                inner: dict[Place, int] = {}
                _locate(loader, merged, place, inner)
                for below, line in inner.items():
                    lines.setdefault(below, line if len(below) > len(place) + 1 else lines[place])
        elif isinstance(key, yaml.ScalarNode):
            step = (*place, loader.construct_object(key, deep=True))
            lines[step] = key.start_mark.line + 1
            _locate(loader, value, step, lines)


def _unreadable(path: Path, content: bytes, error: UnicodeDecodeError | yaml.YAMLError) -> ConfigurationError:
    if isinstance(error, UnicodeDecodeError):
        return Document(path, None, content, {}).error((), f"not UTF-8 at byte {error.start}")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    at = Document(path, None, content, {(): (mark.line + 1) if mark else 1})
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "not YAML"
    return at.error((), str(problem).strip().splitlines()[0])


_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"\\\\]|\\\\.)*\"")
_DOUBT = re.compile(r"(?:^|\s)#\s*\?\s*(.*)")


def _doubts(text: str) -> tuple[tuple[int, str], ...]:
    """Lines that carry the mark ``# ?`` outside quotes, with the reason behind it."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if "?" in line and (mark := _DOUBT.search(_QUOTED.sub(lambda quoted: "_" * len(quoted[0]), line))):
            found.append((number, line[mark.start(1) :].strip() or line[: mark.start()].strip()))
    return tuple(found)


def load(path: Path, model: type[Model], **given: Any) -> Model:
    """Read a file as ``model``; ``given`` are keys that the file may leave out (its name, say).

    :raises ConfigurationError: with every fault, each with its file and line.
    """
    return build(read(path), model, **given)


def build(document: Document, model: type[Model], *, undecided: bool = False, **given: Any) -> Model:
    """The same of a document already read. ``undecided``: a draft is read too, with its open guesses as they stand."""
    if not undecided and (error := document.undecided()):
        raise error
    if not isinstance(document.data, dict):
        raise document.error((), "the file must hold a mapping of keys to values")
    try:
        return model.model_validate({**given, **document.data})
    except ValidationError as error:
        raise document.errors(faults(error, model, document.data)) from error


def load_each(
    names: Iterable[str], load: Callable[[str], Loaded]
) -> tuple[dict[str, Loaded], dict[str, ConfigurationError]]:
    """(what each of the names loads as, what is wrong with each that does not): a bad file costs its own name alone."""
    sound: dict[str, Loaded] = {}
    broken: dict[str, ConfigurationError] = {}
    for name in names:
        try:
            sound[name] = load(name)
        except ConfigurationError as error:
            broken[name] = error
    return sound, broken


def faults(error: ValidationError, model: Any, data: Any) -> list[tuple[Place, str]]:
    """What pydantic found wrong with ``data``: the place of each fault in it, and a message.

    A key that the model does not know comes with the one that was probably meant; ``model`` is what was validated
    against, a model or a TypeAdapter.
    """
    found: dict[tuple[Place, str], None] = {}
    for fault in error.errors():
        message: str = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = "no such key" + _meant(model, fault["loc"])
        elif fault["type"] == "missing":
            message = "is missing"
        found[_in_data(data, fault["loc"]), message] = None
    return list(found)


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message about a word that is not known: ``, did you mean X?``, or the few that there are; else nothing."""
    words = sorted({str(one) for one in known})
    by_lower = {one.lower(): one for one in words}
    if like := get_close_matches(word.lower(), by_lower, 1, 0.6):
        return f", did you mean {by_lower[like[0]]}?"
    return f"; there are {', '.join(words)}" if 0 < len(words) <= 40 else ""


def _meant(model: Any, loc: Sequence[str | int]) -> str:
    """``, did you mean …?`` for the unknown key at the end of ``loc``; the keys there are, where none is like it."""
    kinds = _kinds(getattr(model, "_type", model))
    for step in loc[:-1]:
        inner = [found for kind in kinds for found in _inside(kind, step)]
        kinds = inner or kinds  # the name of a union's member leads nowhere
    tags = {str(step) for step in loc[:-1]}
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    models = [kind for kind in models if _tags(kind) & tags] or models
    return suggestion(
        str(loc[-1]), (field.alias or name for kind in models for name, field in kind.model_fields.items())
    )


def _tags(model: type[BaseModel]) -> set[str]:
    """The constants that tell a member of a union from the others."""
    return {
        str(value)
        for field in model.model_fields.values()
        if get_origin(field.annotation) is Literal
        for value in get_args(field.annotation)
    }


def _kinds(annotation: Any) -> list[Any]:
    """The members of a union, or the type itself."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for member in get_args(annotation) for kind in _kinds(member)]
    return [annotation]


def _inside(kind: Any, step: str | int) -> list[Any]:
    """The types of what stands under ``step`` in a value of that type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if step in (name, field.alias):
                return _kinds(field.annotation)
        return []
    if get_origin(kind) in (dict, list, tuple) and get_args(kind):
        return _kinds(get_args(kind)[-1])
    return []


def _in_data(data: Any, loc: Sequence[str | int]) -> Place:
    """pydantic's place without the names of union members, which are no keys of the data."""
    node, steps = data, []
    for step in loc:
        if isinstance(node, dict) and step in node or isinstance(node, list) and isinstance(step, int):
            node = node[step]  # type: ignore[index]
            steps.append(step)
        elif step == loc[-1]:
            steps.append(step)  # the missing key itself
    return tuple(steps)


def _shown(path: Path) -> str:
    whole = path.resolve()
    return str(whole.relative_to(ROOT)) if whole.is_relative_to(ROOT) else str(path)


def names(folder: Path) -> list[str]:
    """Names of the declarations of a folder, sorted: the files' names, whether or not they can be read."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def file(folder: Path, name: str, what: str, zh: str) -> Path:
    """The file of a declaration; ``what`` and ``zh`` say what it declares. :raises NotFoundError: there is none."""
    path = folder / f"{name}.yaml"
    if not path.exists():
        there = names(folder)
        raise NotFoundError(
            f"no {what} {name!r} in {_shown(folder)}",
            remedy=f"one of {', '.join(there)}",
            zh=f"{_shown(folder)} 中没有{zh} {name}，现有：{'、'.join(there)}。",
        )
    return path


def dotted(place: Sequence[str | int]) -> str:
    """A place as people write it: ``feeds.cases.key[0]``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
