"""``onemap source new``, ``profile``, ``draft``: a new system, by declarations alone."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from typing import Annotated, Any, Literal

import typer
import yaml

from cli import output
from cli.context import Json

Feeds = Annotated[list[str] | None, typer.Option("--feed", help="数据项，可多次 · feed, repeatable; default: all")]


def register(source: typer.Typer) -> None:
    """Add the commands to the group ``source``."""

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
            typer.Option(
                "--option", help="数据项的协议选项 [feed.]名称=值，可多次 · of the protocol, e.g. table=PERMIT"
            ),
        ] = None,
        source_option: Annotated[
            list[str] | None,
            typer.Option("--source-option", help="数源的协议选项，可多次 · e.g. schema=dbo, tap='tap-csv --quiet'"),
        ] = None,
        cursor: Annotated[str, typer.Option(help="增量 · full, files, days, stream, or the column of a window")] = "",
        schedule: Annotated[str, typer.Option(help="计划 · cron, local time")] = "20 * * * *",
        promise: Annotated[str, typer.Option(help="时效承诺 · ISO 8601 duration")] = "P1D",
    ) -> None:
        """新建 · Write sources/<id>.yaml; asks for what is not given, options that the protocol requires too. Keys and mappings
        follow with `source draft`."""
        from pipeline.onboard import steps

        of_source: dict[str, Any] = {}
        for text in source_option or ():
            path, _, value = text.partition("=")
            _set(of_source, path, value)
        _complete(of_source, protocol, "source", f"数源 {source}")
        if not feed:
            feed = [typer.prompt("数据项 feed（标识=名称）")]
        feeds = {}
        for one in feed:
            short, _, called = one.partition("=")
            given: dict[str, Any] = {}
            for text in option or ():
                path, _, value = text.partition("=")
                owner, dot, rest = path.partition(".")
                if dot and owner in [f.partition("=")[0] for f in feed]:
                    if owner != short:
                        continue
                    path = rest
                _set(given, path, value)
            _complete(given, protocol, "feed", f"数据项 {short}")
            feeds[short] = {"name": called or short, "cursor": _cursor(cursor, protocol), "options": given}
        path_ = steps.new(
            source,
            name=name,
            system=system,
            department=department,
            connection=connection,
            protocol=protocol,
            schedule=schedule,
            promise=promise,
            options=of_source,
            feeds=feeds,
        )
        output.out.print(f"已写 written: {path_}\n下一步 next: onemap source profile {source}", markup=False)

    @source.command()
    def profile(
        source: Annotated[str, typer.Argument(help="数源 · source")],
        feed: Feeds = None,
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="样本行数 · rows of the sample")] = 5000,
        as_json: Json = False,
    ) -> None:
        """画像 · What a feed's rows look like: fill, types, formats, keys, cursors, codes, personal data, CRS. Needs no mapping."""
        from pipeline.onboard import steps
        from pipeline.onboard.profile import cut

        seen = steps.look(source, feed, limit)
        if as_json:
            return output.as_json([one.profile.as_dict() for one in seen])
        for one in seen:
            found = one.profile
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

    @source.command()
    def pin(
        source: Annotated[str, typer.Argument(help="数源 · source")],
        feed: Feeds = None,
        as_json: Json = False,
    ) -> None:
        """固定契约 · Take the raw columns and their types of feeds with contract: auto from the live source, and pin them; says
        what is otherwise than before."""
        from pipeline.onboard import steps

        done = steps.pinned(source, feed)
        if as_json:
            return output.as_json([{"file": str(one.path), "changes": one.changes} for one in done])
        for one in done:
            output.out.print(f"已写 written: {one.path}", markup=False)
            for change in one.changes:
                output.out.print(f"  {change}", markup=False)
        return None

    @source.command()
    def drift(
        feed: Annotated[str, typer.Argument(help="数据项 · feed, e.g. m2.sb")],
        adopt: Annotated[
            list[str] | None,
            typer.Option(help="把新字段写入映射：字段=实体.列，可多次 · take a column in: COLUMN=entity.column"),
        ] = None,
        ignore: Annotated[
            list[str] | None, typer.Option(help="新字段记为不使用，可多次 · a new column is known and not used")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """变化 · What the live source has changed against mapping and store: columns, widths, codes, with a patch; and when such
        was seen before. Exit 1 when something differs. With ``--adopt`` or ``--ignore`` the declarations are changed, and the source is not asked."""
        from dataclasses import asdict

        from pipeline import shape
        from pipeline.onboard import accept

        if adopt or ignore:
            asked = [(column, to or None) for column, _, to in (one.partition("=") for one in adopt or [])]
            if wrong := [column for column, to in asked if to is None]:
                raise typer.BadParameter(f"{wrong[0]}：写作 字段=实体.列 · COLUMN=entity.column")
            for column, to in (*asked, *((one, None) for one in ignore or [])):
                done = accept.accept(feed, column, to)
                told = "、".join(map(str, done.files))
                output.out.print(f"✓ {column} → {to or '不使用 not used'}：{done.command or told}", markup=False)
            output.out.print(f"下一步：onemap mapping diff {feed}", markup=False)
            return
        from pipeline.onboard import drift as drifts
        from pipeline.onboard import steps
        from pipeline.registry import feed as declared
        from pipeline.registry import mapping

        (seen,) = steps.look(feed.partition(".")[0], [feed])
        found = drifts.find(mapping(declared(feed)[1]), seen.sample.rows, shape.before(feed))
        past = shape.timeline(feed)
        if as_json:
            output.as_json({"changes": [asdict(one) for one in found], "timeline": past})
        else:
            output.table(("变化", "依据", "映射补丁 patch"), [(one.zh, one.detail, one.patch) for one in found])
            output.table(
                ("首次", "最近", "次数", "提示", "字段", "内容"),
                [(p["first_seen"], p["last_seen"], p["count"], p["code"], p["field"], p["detail"]) for p in past],
                title="时间线 timeline",
            )
        if found:
            raise typer.Exit(1)

    @source.command()
    def contract(
        of: Annotated[str, typer.Argument(help="数源部门，或数据项 · department, or feed for Open Data Contract")],
        out: Annotated[str | None, typer.Option("--out", help="写入文件 · write to a file")] = None,
    ) -> None:
        """供给约定 · A department's page, in Chinese, to be sent; of a feed (m2.sl) its Open Data Contract Standard 3 in YAML."""
        from pathlib import Path

        from serving import provider

        text = provider.odcs(of) if of.isascii() else provider.page(of)
        if out:
            Path(out).write_text(text, "utf-8")
            output.out.print(f"已写 written: {out}", markup=False)
        else:
            typer.echo(text)

    @source.command("from-contract")
    def from_contract(
        file: Annotated[str, typer.Argument(help="Open Data Contract Standard 3, YAML")],
        feed: Annotated[str, typer.Argument(help="数据项 · feed that it is of, e.g. b1.permit")],
    ) -> None:
        """由约定起草 · A mapping drafted from a provider's Open Data Contract, on standard output; every guess is a doubt."""
        from pathlib import Path

        from serving import provider

        typer.echo(provider.drafted(Path(file), feed))

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
            text = (
                conformance.junit(source, lines)
                if form == "junit"
                else json.dumps(result, ensure_ascii=False, indent=1)
            )
            if out:
                Path(out).write_text(text, "utf-8")
            else:
                typer.echo(text)
        if any(line.ok is False for line in lines):
            raise typer.Exit(1)


def _set(given: dict[str, Any], path: str, value: str) -> None:
    """``paging.kind=page``: a field within a field; JSON where it is JSON, else text."""
    *outer, last = path.split(".")
    for step in outer:
        given = given.setdefault(step, {})
    try:
        given[last] = json.loads(value)
    except ValueError:
        given[last] = value


def _complete(given: dict[str, Any], protocol: str, part: Literal["source", "feed"], whose: str) -> None:
    """Ask for each option that the protocol requires and nobody gave; a list may be given as words, as in a shell
    (``tap="tap-csv --quiet"``). Where nobody answers, the check of the declaration says what it lacks."""
    from sources import options

    if protocol not in options.PROTOCOLS:
        return
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


def _cursor(text: str, protocol: str) -> dict[str, Any]:
    if not text:
        text = {"file_drop": "files", "mqtt": "stream"}.get(protocol, "full")
    return {"kind": text} if text in ("full", "files", "days", "stream") else {"kind": "window", "column": text}
