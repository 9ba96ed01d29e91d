"""Data Docs: the latest validation of every feed as pages of a static site, ``$ONEMAP_HOME/data_docs``.

Great Expectations renders the pages; what it would fetch from other hosts (styles, fonts, scripts) is left out, since
they are read where there is no way to the internet. One page a feed and suite, one index; a run replaces its feed's.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from core import clock, settings
from quality.validation import Validated, number_of
from store.staging import Staged, Verdict

log = logging.getLogger(__name__)
_SUMMARY = "summary.json"
_OUTSIDE = re.compile(
    r"<link\b[^>]*>|<script\b.*?</script>|<img\b[^>]*>|<button\b.*?</button>|<footer\b.*?</footer>|<a\b[^>]*https?://[^>]*>",
    re.S,
)
_URL = re.compile(r"url\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Line:
    """A suite of a feed's latest run. ``failing``: (title, severity, rows) of each expectation that does not hold."""

    suite: str
    rows: int
    expectations: int
    failing: list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Summary:
    """A feed's latest run that had rows."""

    feed: str
    run: int
    at: str
    rows: int
    rejected: int
    verdict: str  # go, or the code of the gate that stopped it
    lines: list[Line]


def root() -> Path:
    """The site's folder; it stands after the first run that had rows."""
    return settings.home() / "data_docs"


def page(feed: str) -> Path | None:
    """The page of a feed's latest run; None before its first."""
    path = root() / _safe(feed) / "index.html"
    return path if path.exists() else None


def link(feed: str | None = None) -> str:
    """Where the plugin serves the site, or a feed's page: a path on Airflow's own address."""
    return f"/onemap/data-docs/{_safe(feed)}/index.html" if feed else "/onemap/data-docs/index.html"


def summaries() -> list[Summary]:
    """The latest run of every feed, by name."""
    found = []
    for path in sorted(root().glob(f"*/{_SUMMARY}")):
        content = json.loads(path.read_text("utf-8"))
        lines = [Line(**{**line, "failing": [tuple(f) for f in line["failing"]]}) for line in content.pop("lines")]
        found.append(Summary(**content, lines=lines))
    return found


def note(staged: Staged, results: list[Validated], verdict: Verdict) -> None:
    """Write the pages of a run. A disk that cannot take them stops no data: it is logged."""
    if not results:
        return
    summary = Summary(
        staged.feed,
        staged.run_id,
        f"{clock.now():%Y-%m-%d %H:%M:%S}",
        staged.rows_in,
        verdict.rejected,
        "go" if verdict.go else verdict.code,
        [_line(result) for result in results],
    )
    folder = root() / _safe(staged.feed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for result in results:
            _write(folder / f"{_name(result)}.html", _rendered(summary, result))
        _write(folder / _SUMMARY, json.dumps(asdict(summary), ensure_ascii=False))
        _write(folder / "index.html", _template().render(summaries=[summary], feed=staged.feed, up="../"))
        _write(root() / "index.html", _template().render(summaries=summaries(), feed=None, up=""))
    except OSError as error:
        log.warning("the Data Docs of run %d of %s could not be written: %s", staged.run_id, staged.feed, error)


def _line(result: Validated) -> Line:
    failing: list[tuple[str, str, int]] = [
        (str(one.expectation_config.description), result.suite.checks[n].severity, result.found[n])
        for one in result.result.results
        for n in (number_of(one),)
        if one.expectation_config is not None and result.found[n]
    ]
    return Line(_name(result), result.rows, len(result.suite.checks), failing)


def _name(result: Validated) -> str:
    """A feed's own suite is about the rows as they came."""
    return "as_they_came" if result.suite.of == "feed" else result.suite.subject


def _rendered(summary: Summary, result: Validated) -> str:
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    content = result.result
    content.suite_name = f"{summary.feed} · {_name(result)}"
    content.meta["run_id"] = RunIdentifier(run_name=f"run {summary.run}", run_time=datetime.now(UTC))
    document: Any = ValidationResultsPageRenderer().render(content)
    html = _view().render(document)
    return _URL.sub("none", _OUTSIDE.sub("", html)).replace("</head>", f"<style>{_style()}</style></head>", 1)


@cache
def _view() -> Any:
    """Kept, since it keeps its compiled templates."""
    from great_expectations.render.view import DefaultJinjaPageView

    return DefaultJinjaPageView()


def prepare() -> None:
    """Compile the templates of the pages, as a process does that forks others which are to write them."""
    environment = _view().env
    for name in environment.list_templates(extensions=["j2"]):
        environment.get_template(name)
    _template()


@cache
def _style() -> str:
    import great_expectations.render.view as view

    own = (Path(view.__file__).parent / "static" / "styles" / "data_docs_default_styles.css").read_text("utf-8")
    return _STYLE + _URL.sub("none", re.sub(r"@import[^;]*;", "", own))


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True).get_template("data_docs.html.j2")


def _safe(feed: str) -> str:
    return re.sub(r"[^\w.-]", "_", feed).lstrip(".")


def _write(path: Path, text: str) -> None:
    """At once or not at all: the site is read while it is written."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


_STYLE = """
body { font: 14px/1.5 "Noto Sans CJK SC", "Microsoft YaHei", system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem; }
table { border-collapse: collapse; width: 100%; } td, th { border: 1px solid #ccc; padding: .3rem .5rem; text-align: left; }
.badge { font-weight: 600; } nav, .navbar, .btn { display: none; }
"""
