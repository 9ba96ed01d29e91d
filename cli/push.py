"""``onemap push``: what the hub sends to others (sinks/*.yaml): how it stands, what was refused, and a person's word on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import output
from cli.context import By, Json, Note, group

Which = Annotated[str, typer.Argument(help="推送项，如 p_up.accept · an output")]


app = typer.Typer()
push = group(app, "push", "回流推送 · what the hub sends to others: sinks/*.yaml")


@push.command("list")
def list_(as_json: Json = False) -> None:
    """列出 · Every output: its light, what its receiver has, what waits, what was refused."""
    from serving.push import state

    rows = state.standing()
    if as_json:
        return output.as_json([one.as_dict() for one in rows])
    return output.table(
        ("状态", "推送项", "名称", "接收部门", "已收", "待送", "拒收", "最近"),
        [
            (state.LIGHTS[r.light][0], r.output, r.name, r.department, r.accepted, r.waiting, r.rejected, r.last_at)
            for r in rows
        ],
    )


@push.command()
def check(sink: Annotated[str, typer.Argument(help="推送对象，如 p_up · a sink")], as_json: Json = False) -> None:
    """检查 · Whether columns are there on both sides, and the receiver lets us in."""
    from serving.push import run

    lines = run.check(sink)
    if as_json:
        output.as_json([asdict(one) for one in lines])
    else:
        output.table(
            ("", "检查项", "结果", "处置"),
            [("✓" if one.ok else "✗", one.what, one.detail, one.remedy) for one in lines],
        )
    if not all(one.ok for one in lines):
        raise typer.Exit(1)


@push.command()
def preview(
    which: Which,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    period: Annotated[str | None, typer.Option("--period", help="期间，如 2026-10")] = None,
    as_json: Json = False,
) -> None:
    """预览 · What would be sent, in the receiver's words, and what is wrong with it; nothing is sent."""
    from serving.push import run

    rows = run.preview(which, limit, period)
    if as_json:
        return output.as_json(rows)
    names = list(rows[0]["cells"]) if rows else []
    return output.table(
        ("主键", *names, "不能推送的原因"),
        [(r["key"], *(r["cells"][n] for n in names), "；".join(_why(r["reasons"]))) for r in rows],
    )


@push.command()
def send(
    which: Which,
    whole: Annotated[bool, typer.Option("--whole", help="逐条比对全部 · look at every row")] = False,
    period: Annotated[str | None, typer.Option("--period", help="期间，如 2026-10")] = None,
    again: Annotated[bool, typer.Option("--again", help="该期间已送也再送 · also where it was sent")] = False,
    as_json: Json = False,
) -> None:
    """推送 · Bring a receiver up to date now; what it has is not sent again."""
    from serving.push import run

    done = run.push(which, whole=whole, period=period, again=again)
    if as_json:
        return output.as_json(done.as_dict())
    more = "；等待接收方回执" if done.open else "；另一进程正在推送" if done.busy else ""
    return output.out.print(
        f"{which}: {done.batches} 批 batches，{done.rows} 条 = 已收 {done.accepted} + 拒收 {done.rejected}{more}",
        markup=False,
    )


@push.command()
def batches(
    which: Annotated[str | None, typer.Argument(help="推送项，默认全部")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 20,
    as_json: Json = False,
) -> None:
    """批次 · Sendings with their balance; body and receipt stand in the archive by their SHA-256."""
    from serving.push import state

    rows = state.batches(which, limit)
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("时间", "推送项", "名称", "状态", "条数", "已收", "拒收", "错误"),
        [
            (r["made_at"], r["output"], r["name"], r["state"], r["rows"], r["accepted"], r["rejected"], r["error"])
            for r in rows
        ],
    )


@push.command()
def rejected(
    which: Annotated[str | None, typer.Argument(help="推送项，默认全部")] = None, as_json: Json = False
) -> None:
    """拒收 · Rows that were not taken, with every reason."""
    from serving.push import state

    rows = state.refused(which)
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("推送项", "主键", "操作", "自", "原因"),
        [(r["output"], r["key"], r["operation"], r["since"], "；".join(_why(r["reasons"]))) for r in rows],
    )


@push.command()
def redrive(
    which: Which,
    by: By,
    key: Annotated[list[str] | None, typer.Option("--key", help="主键，可多次，默认全部")] = None,
) -> None:
    """重推 · Put refused rows up again; the next run sends them as they are then."""
    from serving import audit
    from serving.push import ledger
    from sinks import loader

    loader.output(which)
    done = ledger.redrive(which, key)
    audit.append(by, "redrive push", which, {"rows": done, "keys": key or "all"})
    output.out.print(f"✓ {done} 条将在下次推送时重送 rows are put up again", markup=False)


@push.command()
def dismiss(
    which: Which, key: Annotated[list[str], typer.Option("--key", help="主键，可多次")], by: By, note: Note
) -> None:
    """不予推送 · Leave refused rows out until they change."""
    from serving import audit
    from serving.push import ledger
    from sinks import loader

    loader.output(which)
    done = ledger.dismiss(which, key, by, note)
    audit.append(by, "dismiss push", which, {"rows": done, "keys": key, "note": audit.scrub(note)})
    output.out.print(f"✓ {done} 条不予推送 rows are left out", markup=False)


def _why(reasons: list[dict[str, Any]] | None) -> list[str]:
    from serving.push.words import sentence

    return [sentence(reason) for reason in reasons or []]
