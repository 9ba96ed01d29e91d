"""``onemap test``: the project's tests, pytest's arguments passed through."""

from __future__ import annotations

import os
import subprocess
import sys

import typer

from cli import mutation
from core import settings

app = typer.Typer()


@app.command(
    "test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def test(context: typer.Context) -> None:
    """运行测试 · Run the tests on two processes; arguments go to pytest (-k, -x, a file, -n 0 …).

    --faults [KILLS]: 故障演练 · the campaign of faults whole, 500 kills or as many as are given.
    --silence [ARGUMENT …]: 静默演练 · every feed, source and part of simulated worlds is frozen and thawed (bench/alive.py).
    --mutants [MODULE …]: 变异测试 · changed code must fail a test: the sample of pyproject.toml, or some of its modules."""
    given = list(context.args)
    if given[:1] == ["--mutants"]:
        raise typer.Exit(mutation.run(given[1:]))
    if given[:1] == ["--silence"]:
        command = [sys.executable, "-m", "bench.alive", *given[1:]]
        raise typer.Exit(subprocess.run(command, cwd=settings.ROOT).returncode)
    kills = ""
    if "--faults" in given:
        place = given.index("--faults")
        kills = given[place + 1] if given[place + 1 : place + 2] and given[place + 1].isdigit() else "500"
        del given[place : place + (2 if given[place + 1 : place + 2] == [kills] else 1)]
        given += ["tests/faults", "-n", "0", "-s"]
    command = [sys.executable, "-m", "pytest"]
    if any(argument.startswith("--dirt") for argument in given) and not any(
        argument.startswith("tests") for argument in given
    ):
        command.append("tests/dirt")
    if not any(
        argument.startswith(("-n", "--numprocesses", "--collect-only", "--co", "-h", "--help")) for argument in given
    ):
        command += ["-n", "2", "--dist", "worksteal"]
    # the tests have run folders and databases of their own: nothing of a hub that runs here may reach them
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ONEMAP_", "AIRFLOW"))}
    if kills:
        env["ONEMAP_FAULTS"] = kills
    raise typer.Exit(subprocess.run([*command, *given], cwd=settings.ROOT, env=env).returncode)
