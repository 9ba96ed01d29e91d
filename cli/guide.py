"""``onemap guide``: ask, and see what it stands on."""

from __future__ import annotations

import typer

from cli import output

app = typer.Typer()


@app.command("guide")
def guide(
    question: str = typer.Argument(..., metavar="问题", help="如：施工许可证要几天办完 · in Chinese"),
    project: str = typer.Option(None, "--project", help="项目代码 · a project's code"),
    as_json: bool = typer.Option(False, "--json", help="JSON"),
) -> None:
    """办事问答，句句有出处 · Answer a question, each sentence with its source."""
    from serving.access import Grant
    from serving.guide import answer

    found = answer.ask(Grant("cli"), question, project)
    if as_json:
        output.as_json(found.as_dict())
        return
    for sentence in found.sentences:
        typer.echo(f"{sentence.text}\n    出处：{sentence.source.title}（{sentence.source.place}）")
    if not found.found:
        typer.echo(found.text)
    if found.related:
        typer.echo("相关：" + "、".join(found.related))
