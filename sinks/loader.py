"""Reads ``sinks/*.yaml``. One bad declaration costs its own receiver alone: :func:`broken` says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from core import declared
from core.errors import ConfigurationError, NotFoundError
from core.settings import ROOT
from mappings.times import directives
from schemas import codes
from sinks.declaration import OPTIONS, Output, Sink
from sources import secrets

FOLDER = ROOT / "sinks"


def read(path: Path) -> Sink:
    """One file, its outputs' ids filled in. :raises ConfigurationError: every fault with file and line."""
    document = declared.read(path)
    sink = declared.build(document, Sink)
    found = [*_named(sink, path), *secrets.find(document.data)]
    for name, output in sink.outputs.items():
        faults = [*_columns(output), *_options(sink, output)]
        found += [(("outputs", name, *place), message) for place, message in faults]
    if found:
        raise document.errors(found)
    outputs = {name: output.model_copy(update={"id": f"{sink.sink}.{name}"}) for name, output in sink.outputs.items()}
    return sink.model_copy(update={"outputs": outputs})


def _named(sink: Sink, path: Path) -> Iterator[tuple[declared.Place, str]]:
    if sink.sink != path.stem:
        yield ("sink",), f"must be the file's name, {path.stem}"


def _columns(output: Output) -> Iterator[tuple[declared.Place, str]]:
    for name, cell in output.cells.items():
        if cell.codes and cell.codes not in codes.names():
            yield ("columns", name, "codes"), f"no list {cell.codes!r}" + declared.suggestion(cell.codes, codes.names())
        if cell.format:
            try:
                directives(cell.format)
            except ValueError as error:
                yield ("columns", name, "format"), str(error)


def _options(sink: Sink, output: Output) -> Iterator[tuple[declared.Place, str]]:
    model = OPTIONS[sink.protocol]
    try:
        given = sink.options_of(output)
    except ValidationError as error:
        yield from ((("options", *place), message) for place, message in declared.faults(error, model, output.options))
        return
    key = getattr(given, "key", None) or []
    for name in [key] if isinstance(key, str) else key:
        if name not in output.cells:
            yield ("options", "key"), f"{name!r} is none of its columns" + declared.suggestion(name, output.cells)
    if getattr(given, "write", "") == "log" and not any(cell.hub == "batch" for cell in output.cells.values()):
        yield ("options", "write"), "log needs a column {hub: batch}: by it a sending that was cut is found again"
    if output.mode == "whole" and sink.protocol != "sftp":
        yield ("mode",), "whole is of files: protocol sftp"


@cache
def load(sink: str) -> Sink:
    """:raises NotFoundError: there is no such sink. :raises ConfigurationError: its file is wrong."""
    return read(declared.file(FOLDER, sink, "sink", "推送对象"))


def names() -> list[str]:
    """Ids of all sinks, sorted: the files' names, whether or not they can be read."""
    return declared.names(FOLDER)


def load_all() -> dict[str, Sink]:
    """Every sink by id whose declaration is sound."""
    return declared.load_each(names(), load)[0]


def broken() -> dict[str, ConfigurationError]:
    """What is wrong with each declaration that cannot be used."""
    return declared.load_each(names(), load)[1]


def output(id_: str) -> tuple[Sink, Output]:
    """An output by its id, ``p_up.accept``. :raises NotFoundError: there is none."""
    name, _, part = id_.partition(".")
    sink = load(name)
    if part not in sink.outputs:
        raise NotFoundError(
            f"sink {name} has no output {part!r}",
            remedy=f"one of {', '.join(sink.outputs)}",
            zh=f"推送对象 {name} 没有推送项 {part}，现有：{'、'.join(sink.outputs)}。",
        )
    return sink, sink.outputs[part]
