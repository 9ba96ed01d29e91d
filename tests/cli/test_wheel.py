"""A wheel carries the rooms, their declarations and pages under one name, and gives the ``onemap`` command."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from core import settings
from core.version import VERSION


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as pip would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=settings.ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("onemap_hub-*.whl")
    assert wheel.name.startswith(f"onemap_hub-{VERSION}-")
    site = folder / "site"
    zipfile.ZipFile(wheel).extractall(site)
    return site


def test_nothing_of_a_common_name_stands_at_the_top(installed: Path):
    assert {path.name for path in installed.iterdir()} == {"onemap_hub", f"onemap_hub-{VERSION}.dist-info"}


def test_every_file_of_the_rooms_is_carried(installed: Path):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=settings.ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a checkout")
    rooms = {path.name for path in (installed / "onemap_hub").iterdir() if path.is_dir()}
    assert {"dags", "connectors", "mappings", "schemas", "quality"} <= rooms
    wanted = {
        name
        for name in listed.stdout.split("\0")
        if name.partition("/")[0] in rooms and (settings.ROOT / name).is_file()
    }
    assert {name for name in wanted if not (installed / "onemap_hub" / name).is_file()} == set()


def test_the_command_runs_from_the_wheel_alone(installed: Path, tmp_path: Path):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ONEMAP_", "PYTHON"))}
    env |= {"PYTHONPATH": str(installed), "ONEMAP_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "onemap_hub", "source", "list"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "m2" in done.stdout


def test_the_version_stands_in_one_place():
    assert (
        "version"
        not in (settings.ROOT / "pyproject.toml").read_text().partition("[project]")[2].partition("dynamic")[0]
    )
    compose = (settings.ROOT / "docker-compose.yml").read_text()
    assert f"onemap-hub:{VERSION}" in compose
