"""The contract with a provider: a page that can be sent, and Open Data Contract Standard out and in."""

from __future__ import annotations

from pathlib import Path

import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from core.errors import ConfigurationError
from serving import provider
from sources import loader


def test_a_page_by_department_names_feeds_fields_codes_and_promises() -> None:
    made = provider.page("东莞市政务服务和数据管理局")
    for text in ("m2.sl", "SBLSH_SHORT", "主键", "时效承诺", "受理状态", "1 受理", "迟到不超过", "个人信息，脱敏"):
        assert text in made


def test_every_department_has_a_page() -> None:
    assert {s.owner.department for s in loader.load_all().values()} == set(provider.departments())
    for department in provider.departments():
        assert "</html>" in provider.page(department)


def test_nobody_of_that_name_is_told_who_there_is() -> None:
    with pytest.raises(ConfigurationError, match="东莞市气象局"):
        provider.page("没有这个局")


def test_a_feed_goes_out_as_an_open_data_contract_and_comes_back_as_a_draft(tmp_path: Path) -> None:
    text = provider.odcs("d3.permit")
    given = OpenDataContractStandard.from_string(text)
    (table,) = given.schema_
    assert {p.name for p in table.properties if p.primaryKey} == {"LSH"}
    assert {"SGXKZBH", "FZRQ"} <= {p.name for p in table.properties}
    path = tmp_path / "permit.odcs.yaml"
    path.write_text(text, "utf-8")
    draft = provider.drafted(path, "x9.permit")
    assert "number: SGXKZBH" in draft and "key: [LSH]" in draft
    assert all("# ?" in line for line in draft.splitlines() if line.startswith("      ") and "const" not in line)
