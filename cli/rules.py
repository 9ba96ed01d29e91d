"""``onemap rules check, diff, backtest``: the rules as data: what is wrong with them, what a change of them would change."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import AsOf, Json, attach, day, group
from core import clock
from serving.formats import Format

Folder = Annotated[Path | None, typer.Argument(help="规则目录，默认现行 · folder, default: the one in force")]


app = typer.Typer()
rules = group(app, "rules", "督办规则 · the rules as data")


@rules.command()
def check(folder: Folder = None, as_json: Json = False) -> None:
    """检查 · What is wrong with the rules, with file and line; exit 78 when something is."""
    from supervision import checking, rulebook

    faults = checking.check(folder or rulebook.FOLDER)
    if as_json:
        output.rows_as_json([{"error": fault.message, "zh": fault.zh, "field": fault.field} for fault in faults])
    elif not faults:
        output.out.print("✓ 规则无误 the rules can be used")
    else:
        for fault in faults:
            output.error(fault)
    if faults:
        raise typer.Exit(output.EXIT[faults[0].fault])


@rules.command()
def diff(
    proposed: Annotated[
        Path, typer.Argument(help="拟用的规则目录或单个文件 · folder, or one changed file", exists=True)
    ],
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """比较 · Which findings changed rules would open and close, before they are applied."""
    from supervision import comparing

    found = comparing.compare(proposed, day(as_of) or clock.today())
    result = {name: getattr(found, name).to_dicts() for name in ("opens", "closes", "changes")} | {
        "as_of": found.as_of,
        "waits": found.waits,
    }
    if as_json:
        return output.rows_as_json(result)
    for name, zh in (("opens", "将新立 opens"), ("closes", "将消除 closes")):
        rows = result[name]
        output.table(
            ("规则", "项目", "事项", "办件", "级别", "内容"),
            [(r["rule"], r["project_code"], r["item_code"], r["case_no"], r["level"] or "", r["text"]) for r in rows],
            f"{zh} {len(rows):,}",
        )
    output.table(
        ("规则", "项目", "事项", "办件", "级别", "严重程度", "责任部门"),
        [
            (
                r["rule"],
                r["project_code"],
                r["item_code"],
                r["case_no"],
                *(f"{r[n]} → {r[n + '_after']}" for n in ("level", "severity", "department_code")),
            )
            for r in result["changes"]
        ],
        f"将变化 changes {len(result['changes']):,}",
    )
    return output.out.print(f"未判定 not judged: {found.waits:,}")


@rules.command()
def backtest(
    year: Annotated[int, typer.Option("--year", help="重放的年度 · year to replay")],
    limit: Annotated[list[str] | None, typer.Option(help="事项=承诺时限，如 DG-604=5 · promised limit")] = None,
    without: Annotated[list[str] | None, typer.Option(help="不再办理的事项 · an item taken out")] = None,
    parallel: Annotated[
        list[str] | None, typer.Option(help="事项,前置：改为并行 · item,prerequisite made parallel")
    ] = None,
    holiday: Annotated[list[datetime] | None, typer.Option(formats=["%Y-%m-%d"], help="改为休息日 · a day off")] = None,
    workday: Annotated[
        list[datetime] | None, typer.Option(formats=["%Y-%m-%d"], help="改为工作日 · a working day")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--rules", help="拟用的规则目录 · folder of rules", exists=True)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="报告文件 .html .docx .pdf · report", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """推演 · Replay a past year under a change by the real clocks: who would be late, what would be found. Writes nothing."""
    attach()
    from insight import backtest as replay
    from supervision import rulebook

    change = replay.Change(
        {code: _whole(days) for code, days in (_pair(text, "=") for text in limit or [])},
        tuple(without or ()),
        tuple(_pair(text, ",") for text in parallel or []),
        {d.date(): False for d in holiday or []} | {d.date(): True for d in workday or []},
        folder or rulebook.FOLDER,
    )
    found = replay.replay(change, year, clock.today())
    names = ("departments", "items", "saved", "cases", "opens", "closes")
    if as_json:
        return output.rows_as_json(
            {n: getattr(found, n).to_dicts() for n in names} | {"as_of": found.as_of, "removed": found.removed}
        )
    output.table(
        ("部门", "办件", "逾期", "假设后", "超期天数", "假设后"),
        [
            (r["department"], *(f"{r[n]:,}" for n in ("cases", "late", "late_after", "over", "over_after")))
            for r in found.departments.to_dicts()
        ],
        f"{year} 年，截至 {found.as_of}",
    )
    output.out.print(
        f"将新立 opens {found.opens.height:,}  将消除 closes {found.closes.height:,}  不再需要 removed {found.removed:,}"
    )
    if out:
        from serving.report import write
        from serving.report.backtest import of_backtest

        content, _ = write.written(of_backtest(change, found), _kind(out))
        out.write_bytes(content)
        output.out.print(f"✓ {out}", markup=False)
    return None


def _pair(text: str, by: str) -> tuple[str, str]:
    first, found, second = (part.strip() for part in text.partition(by))
    if not (first and found and second):
        raise typer.BadParameter(f"{text}: 应为 事项{by}… · two parts by {by!r}")
    return first, second


def _whole(text: str) -> int:
    if not text.isdigit():
        raise typer.BadParameter(f"{text}: 应为非负整数 · a whole number of days")
    return int(text)


def _kind(path: Path) -> Format:
    kind = path.suffix.removeprefix(".")
    if kind not in list(Format):
        raise typer.BadParameter(f"{path}: {', '.join('.' + one for one in Format)}")
    return Format(kind)
