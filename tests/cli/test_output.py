"""Errors are told by whose fault they are, with place and remedy, and without secrets."""

from __future__ import annotations

import pytest
from rich.console import Console

from cli import output
from core import redaction
from core.errors import AuthenticationError, ConfigurationError, InternalError, ProviderError, TransientError


@pytest.fixture
def said(monkeypatch):
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    monkeypatch.setattr(output, "err", console)
    return console


def test_an_error_names_fault_place_remedy_in_chinese_first(said):
    code = output.error(
        AuthenticationError(
            "refused", zh="数源拒绝了口令", remedy="renew the password", source="m2", feed="m2.sb", record="1"
        )
    )
    text = said.export_text()
    assert code == 77
    assert text.index("数源拒绝了口令") < text.index("refused")
    for part in ("鉴权", "source=m2", "feed=m2.sb", "record=1", "renew the password"):
        assert part in text


def test_each_fault_has_an_exit_code_of_its_own(said):
    kinds = (ConfigurationError, AuthenticationError, TransientError, ProviderError, InternalError)
    codes = [output.error(kind("x")) for kind in kinds]
    assert len(set(codes)) == len(kinds)
    assert 0 not in codes


def test_a_registered_secret_is_not_shown(said, capsys):
    redaction.hide(["geheim-4711"])
    output.error(ConfigurationError("login geheim-4711 failed", remedy="not geheim-4711"))
    output.as_json({"detail": "geheim-4711", "password": "other"})
    assert "geheim" not in said.export_text()
    printed = capsys.readouterr().out
    assert "geheim" not in printed
    assert "other" not in printed
