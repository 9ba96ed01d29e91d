"""./onemap: one file, the standard library, a fitting environment."""

from __future__ import annotations

import ast
import importlib.util
import os
import stat
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from core import settings

LAUNCHER = settings.ROOT / "onemap"


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launcher as a module, in a tree of its own with a small lock."""
    loader = SourceFileLoader("onemap_launcher", str(LAUNCHER))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("onemap_launcher", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    lock = tmp_path / "requirements.lock"
    lock.write_text("uv==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nuvloop==2.0 \\\n    --hash=sha256:cc\n")
    monkeypatch.setattr(module, "ROOT", str(tmp_path))
    monkeypatch.setattr(module, "LOCK", str(lock))
    monkeypatch.delenv("ONEMAP_VENV", raising=False)
    return module


def fake_environment(launcher: ModuleType, monkeypatch: pytest.MonkeyPatch, events: list[str]) -> None:
    """Making a real environment takes minutes: here it is this interpreter, and what is done is noted."""

    def run(command: list[str], check: bool = True, env: dict | None = None) -> int:
        if command[1:3] == ["-m", "venv"]:
            events.append("venv")
            (Path(command[3]) / "bin").mkdir(parents=True)
            (Path(command[3]) / "bin" / "python").symlink_to(sys.executable)
        return 0

    monkeypatch.setattr(launcher, "run", run)
    monkeypatch.setattr(launcher, "install", lambda python: events.append("install"))


def test_it_is_executable_and_imports_the_standard_library_alone():
    assert LAUNCHER.stat().st_mode & stat.S_IXUSR
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(LAUNCHER.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported <= set(sys.stdlib_module_names)


def test_an_environment_is_made_once_and_again_when_the_lock_changes(launcher, monkeypatch):
    events: list[str] = []
    fake_environment(launcher, monkeypatch, events)
    python = launcher.environment()
    assert events == ["venv", "install"]
    assert launcher.environment() == python
    assert events == ["venv", "install"], "nothing to do: nothing done"
    Path(launcher.LOCK).write_text("uv==1.1\n")
    launcher.environment()
    assert events == ["venv", "install", "install"], "a changed lock is installed into what stands"


def test_an_environment_left_half_made_is_made_anew(launcher, monkeypatch):
    events: list[str] = []
    fake_environment(launcher, monkeypatch, events)
    venv = Path(launcher.environment()).parent.parent
    (venv / "onemap.incomplete").touch()
    (venv / "rubbish").touch()
    events.clear()
    launcher.environment()
    assert events == ["venv", "install"]
    assert not (venv / "rubbish").exists()


def test_an_environment_whose_interpreter_is_gone_is_made_anew(launcher, monkeypatch):
    events: list[str] = []
    fake_environment(launcher, monkeypatch, events)
    python = Path(launcher.environment())
    python.unlink()
    python.symlink_to("/nowhere/python")
    events.clear()
    launcher.environment()
    assert events == ["venv", "install"]
    assert launcher.works(str(python))


def test_two_at_once_make_one_environment(launcher, monkeypatch, tmp_path):
    """The second waits for the lock, finds the work done and does nothing."""
    import fcntl
    import threading

    events: list[str] = []
    fake_environment(launcher, monkeypatch, events)
    with (tmp_path / ".venv.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threads = [threading.Thread(target=launcher.environment) for _ in range(2)]
        for thread in threads:
            thread.start()
        threads[0].join(0.3)
        assert events == [], "both wait"
    for thread in threads:
        thread.join(10)
    assert events == ["venv", "install"]


def test_the_pins_of_one_package_are_cut_out_of_the_lock_with_their_hashes(launcher):
    assert launcher.block("uv") == "uv==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"


def test_the_real_lock_has_hashes_for_the_installer():
    text = (settings.ROOT / "requirements.lock").read_text()
    assert "\nuv==" in text
    assert "--hash=sha256:" in text


def test_a_python_without_ensurepip_is_told_which_package_is_missing(launcher, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit) as ended:
        launcher.environment()
    assert ended.value.code == 78
    assert f"python3.{sys.version_info[1]}-venv" in capsys.readouterr().err


def test_an_old_python_without_a_newer_one_is_told_what_to_install(launcher, monkeypatch, capsys):
    monkeypatch.setattr(launcher, "OLDEST", (99, 0))
    monkeypatch.setattr(launcher.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit):
        launcher.suitable_python()
    said = capsys.readouterr().err
    assert "Python 3.11" in said
    assert "请安装" in said


def test_a_tree_that_cannot_be_written_keeps_its_environment_in_the_users_cache(launcher, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(launcher.os, "access", lambda path, mode: False)
    assert launcher.place().startswith(str(tmp_path / "cache" / "onemap"))


def test_it_runs_from_another_folder_through_a_link(tmp_path):
    link = tmp_path / "hub"
    link.symlink_to(LAUNCHER)
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "__init__.py").write_text("raise SystemExit('the wrong cli')")
    env = {**os.environ, "ONEMAP_VENV": str(Path(sys.prefix)), "ONEMAP_HOME": str(tmp_path / "home")}
    if not (Path(sys.prefix) / "onemap.stamp").exists():
        pytest.skip("this environment was not made by the launcher")
    done = subprocess.run([link, "--help"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "一张图" in done.stdout
