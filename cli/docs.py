"""``onemap docs build``: the site of the documents, in both languages, from README, docs/ and the papers beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from core import settings
from core.errors import ConfigurationError

PAPERS = ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")  # at the top of the tree
CHINESE = ".zh-CN.md"
#: the order of reading; documents that are not named follow by name
ORDER = (
    "README",
    "docs/tutorial/README",
    "docs/architecture",
    "docs/source-systems",
    "docs/domain",
    "docs/rules",
    "docs/quality",
    "docs/accounts",
    "docs/alerts",
    "docs/operations",
    "docs/api",
    "docs/commands",
)
_OUT = Path("var/docs")
_OUTSIDE = re.compile(r"""<(?:script|img|iframe)[^>]+src=["']?https?:|<link[^>]+href=["']?https?:""")


app = typer.Typer()

group = typer.Typer(name="docs", no_args_is_help=True, help="文档网站 · The documents as a site.")
app.add_typer(group)


@group.command("build")
def build(
    out: Annotated[Path, typer.Option("--out", help="写到此文件夹 · the folder of the site, replaced")] = _OUT,
) -> None:
    """生成文档网站（中英文，站内中文检索，不引用外部地址；坏链接即失败）· Build the site: both languages, search, no
    outside address; a broken link fails."""
    if not (settings.ROOT / "docs").is_dir():
        raise ConfigurationError(
            "an installed hub has no documents: build the site from a checkout",
            remedy="git clone the project, then ./onemap docs build",
            zh="安装包内没有文档，请在源码目录中运行。",
        )
    with tempfile.TemporaryDirectory(prefix="onemap-docs-") as folder:
        work = Path(folder)
        _lay_out(work / "src")
        (work / "zensical.toml").write_text(_settings(work / "src"), encoding="utf-8")
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        if done.returncode:
            typer.echo((done.stdout + done.stderr).partition("Traceback")[0], err=True)
            raise typer.Exit(1)
        if outside := [
            page.name for page in (work / "site").rglob("*.html") if _OUTSIDE.search(page.read_text("utf-8"))
        ]:
            typer.echo(f"pages that load something from outside: {', '.join(outside)}", err=True)
            raise typer.Exit(1)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(work / "site", out)
    typer.echo(f"{out / 'index.html'}")


def _lay_out(target: Path) -> None:
    """The documents as they lie in the tree, so that their links hold."""
    shutil.copytree(settings.ROOT / "docs", target / "docs")
    for name in PAPERS:
        for paper in settings.ROOT.glob(f"{name}*.md"):
            shutil.copy(paper, target)
    shutil.copy(settings.ROOT / "LICENSE", target)


def _settings(source: Path) -> str:
    pages = sorted(str(path.relative_to(source)) for path in source.rglob("*.md"))
    chinese = [page for page in pages if page.endswith(CHINESE)]
    english = [page for page in pages if not page.endswith(CHINESE)]
    # a document in both languages at once stands under both
    both = [page for page in english if page.removesuffix(".md") + CHINESE not in chinese]
    return f"""[project]
site_name = "一张图数据汇聚枢纽 · OneMap hub"
docs_dir = "src"
site_dir = "site"
use_directory_urls = false
nav = [{{"中文" = {_listed(chinese + both)}}}, {{"English" = {_listed(english)}}}]
[project.theme]
language = "zh"
font = false
features = ["navigation.tabs", "navigation.top", "search.highlight", "content.code.copy"]
[project.extra]
generator = false
"""


def _listed(pages: list[str]) -> str:
    def place(page: str) -> tuple[int, str]:
        name = page.removesuffix(CHINESE).removesuffix(".md")
        return (ORDER.index(name) if name in ORDER else len(ORDER), page)

    return "[" + ", ".join(f'"{page}"' for page in sorted(pages, key=place)) + "]"
