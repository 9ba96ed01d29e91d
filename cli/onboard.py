"""``onemap source new``, ``profile``, ``draft``, ``test``: a new system, by declarations alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
import yaml

from cli import output
from cli.context import Feeds, Json, group

if TYPE_CHECKING:
    from pipeline.onboard.profile import Profile

app = typer.Typer()
source = group(app, "source", "数源 · the source systems")


@source.command()
def new(
    source: Annotated[str, typer.Argument(help="标识 · id, lower case: b1")],
    name: Annotated[str, typer.Option(prompt="名称 name", help="名称 · for people")],
    protocol: Annotated[str, typer.Option(prompt="协议 protocol", help="协议 · see schemas/source.schema.json")],
    connection: Annotated[str, typer.Option(prompt="Airflow 连接 connection id", help="Airflow 连接 · its id")],
    department: Annotated[str, typer.Option(prompt="数源部门 department", help="数源部门 · who answers for it")],
    feed: Annotated[
        list[str] | None,
        typer.Option("--feed", help="数据项=名称，可多次 · feed=name, repeatable: permit=施工许可"),
    ] = None,
    system: Annotated[str, typer.Option(help="系统类别 · kind of system")] = "部门审批系统",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="数据项的协议选项 [feed.]名称=值，可多次 · of the protocol, e.g. table=PERMIT"),
    ] = None,
    source_option: Annotated[
        list[str] | None,
        typer.Option("--source-option", help="数源的协议选项，可多次 · e.g. schema=dbo, tap='tap-csv --quiet'"),
    ] = None,
    cursor: Annotated[str, typer.Option(help="增量 · full, files, days, stream, or the column of a window")] = "",
    schedule: Annotated[str, typer.Option(help="计划 · cron, local time, or every 15s")] = "20 * * * *",
    promise: Annotated[str, typer.Option(help="时效承诺 · ISO 8601 duration")] = "P1D",
) -> None:
    """新建 · Write sources/<id>.yaml; asks for what is not given, options that the protocol requires too. Keys and mappings
    follow with `source draft`."""
    from pipeline.onboard import steps

    options = _complete(_options(source_option or []), protocol, "source", f"数源 {source}")
    names = dict(_name_and_title(text) for text in feed or [typer.prompt("数据项 feed（标识=名称）")])
    feeds = {
        short: {
            "name": title,
            "cursor": _cursor(cursor, protocol),
            "options": _complete(_feed_options(option or [], short, names), protocol, "feed", f"数据项 {short}"),
        }
        for short, title in names.items()
    }
    written = steps.new(
        source,
        name=name,
        system=system,
        department=department,
        connection=connection,
        protocol=protocol,
        schedule=schedule,
        promise=promise,
        options=options,
        feeds=feeds,
    )
    output.out.print(f"已写 written: {written}\n下一步 next: onemap source profile {source}", markup=False)


@source.command()
def profile(
    source: Annotated[str, typer.Argument(help="数源 · source")],
    feed: Feeds = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="样本行数 · rows of the sample")] = 5000,
    as_json: Json = False,
) -> None:
    """画像 · What a feed's rows look like: fill, types, formats, keys, cursors, codes, personal data, CRS. Needs no mapping."""
    from pipeline.onboard import steps

    seen = steps.look(source, feed, limit)
    if as_json:
        return output.as_json([one.profile.as_dict() for one in seen])
    for one in seen:
        _show_profile(one.profile)
    return None


@source.command()
def draft(
    source: Annotated[str, typer.Argument(help="数源 · source")],
    feed: Feeds = None,
    force: Annotated[bool, typer.Option("--force", help="重新起草已有的映射 · draft anew what is there")] = False,
    as_json: Json = False,
) -> None:
    """起草 · Write mappings and suites of a source from its live rows; what is doubtful carries the mark # ? until a person
    decides."""
    from pipeline.onboard import steps

    built = steps.draft(source, feed, force=force)
    if as_json:
        return output.as_json(
            {"files": {str(p): n for p, n in built.files.items()}, "present": list(map(str, built.present))}
        )
    output.table(("文件", "待确认 # ?"), [(str(path), count) for path, count in built.files.items()])
    for path in built.present:
        output.out.print(f"已有，未动 present, not touched: {path}", markup=False)
    output.out.print(
        f"下一步：确认每处“# ?”并删去标记，再运行 onemap source check {source}，然后 onemap source test {source}",
        markup=False,
    )
    return None


@source.command("test")
def test_(
    source: Annotated[str, typer.Argument(help="数源 · source")],
    feed: Feeds = None,
    form: Annotated[str, typer.Option("--format", help="text, json, junit")] = "text",
    out: Annotated[str | None, typer.Option("--out", help="写入文件 · write to a file")] = None,
) -> None:
    """验收 · The conformance kit against the live source: declaration, columns, keys, windows, replay, resume, clocks,
    redaction, hostile answers, mapping tests. Writes nothing to the store; exit 1 when something does not hold."""
    from pathlib import Path

    from pipeline.onboard import conformance

    if form not in ("text", "json", "junit"):
        raise typer.BadParameter("text, json or junit", param_hint="--format")
    lines = list(conformance.run(source, feed))
    result = [
        {"feed": x.feed, "test": x.name, "ok": x.ok, "detail": x.detail, "remedy": "" if x.ok else x.remedy}
        for x in lines
    ]
    if form == "text":
        marks = {True: "✓", False: "✗", None: "—"}
        output.table(
            ("", "数据项", "测试", "结果", "处置"),
            [(marks[x.ok], x.feed, x.name, x.detail, x.remedy if x.ok is False else "") for x in lines],
        )
    else:
        text = conformance.junit(source, lines) if form == "junit" else json.dumps(result, ensure_ascii=False, indent=1)
        if out:
            Path(out).write_text(text, "utf-8")
        else:
            typer.echo(text)
    if any(line.ok is False for line in lines):
        raise typer.Exit(1)


def _show_profile(found: Profile) -> None:
    from pipeline.onboard.profile import cut

    rows = []
    for column in found.columns.values():
        formats = " ".join(f"{name}" for name, share in column.formats.items() if share > 0.2)
        values = "、".join(cut(v, 24) for v, _ in column.values[: 4 if column.few else 2])
        rows.append(
            (
                column.name,
                column.label,
                f"{column.filled / max(1, column.rows):.0%}",
                column.distinct,
                f"{column.kind} {formats}".strip(),
                "、".join(column.codes[:2]),
                column.personal,
                "***" if column.personal else values,
            )
        )
    output.table(
        ("原始列", "注释", "有值", "不同", "形式", "代码表", "个人信息", "示例"),
        rows,
        f"{found.feed}  {found.rows:,} 行",
    )
    for what, result in (
        ("主键候选 keys", "；".join("+".join(key) for key in found.keys) or "没有 none"),
        ("增量列候选 cursors", "、".join(found.cursors) or "没有 none"),
        ("坐标系 CRS", found.crs),
    ):
        if result:
            output.out.print(f"{what}: {result}", markup=False)
    for issue in found.issues:
        output.out.print(f"  ! {issue}", markup=False)


def _name_and_title(text: str) -> tuple[str, str]:
    """``permit=施工许可``; a feed without a title is called by its name."""
    name, _, title = text.partition("=")
    return name, title or name


def _options(texts: Iterable[str]) -> dict[str, Any]:
    """``paging.kind=page`` → ``{"paging": {"kind": "page"}}``; a value is JSON where it is JSON, else text."""
    options: dict[str, Any] = {}
    for text in texts:
        path, _, value = text.partition("=")
        *outer, last = path.split(".")
        inner = options
        for step in outer:
            inner = inner.setdefault(step, {})
        try:
            inner[last] = json.loads(value)
        except ValueError:
            inner[last] = value
    return options


def _feed_options(texts: Iterable[str], feed: str, feeds: Collection[str]) -> dict[str, Any]:
    """The options of one feed: those that begin with its name and a dot, and those that begin with no feed's."""
    mine = []
    for text in texts:
        owner, dot, rest = text.partition("=")[0].partition(".")
        if not dot or owner not in feeds:
            mine.append(text)
        elif owner == feed:
            mine.append(text.removeprefix(f"{owner}."))
    return _options(mine)


def _complete(given: dict[str, Any], protocol: str, part: Literal["source", "feed"], whose: str) -> dict[str, Any]:
    """The options, after asking for each that the protocol requires and nobody gave; a list may be given as words, as in a shell
    (``tap="tap-csv --quiet"``). Where nobody answers, the check of the declaration says what it lacks."""
    from sources import options

    if protocol not in options.PROTOCOLS:
        return given
    model = getattr(options.PROTOCOLS[protocol], part).json_schema(by_alias=True)
    fields = model.get("properties", {})
    with suppress(typer.Abort):
        for name in model.get("required", ()):
            if name not in given:
                answer = typer.prompt(f"{whose} {name}（{fields[name].get('description', '')}）")
                given[name] = answer if fields[name].get("type") in ("string", "array") else yaml.safe_load(answer)
    for name, value in given.items():
        if fields.get(name, {}).get("type") == "array" and isinstance(value, str):
            given[name] = shlex.split(value)
    return given


def _cursor(text: str, protocol: str) -> dict[str, Any]:
    if not text:
        text = {"file_drop": "files", "mqtt": "stream"}.get(protocol, "full")
    return {"kind": text} if text in ("full", "files", "days", "stream") else {"kind": "window", "column": text}
