"""The declarations of docs/recipes.md are sound by the models of their protocols."""

from __future__ import annotations

import re

import pytest
from ruamel.yaml import YAML

from core.settings import ROOT
from sources import options, secrets

BLOCKS = re.findall(r"## (.+?)\n.*?```yaml\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text("utf-8"), re.S)


@pytest.mark.parametrize("text", [text for _, text in BLOCKS], ids=[name for name, _ in BLOCKS])
def test_recipe_is_sound(text):
    declared = YAML(typ="safe").load(text)
    models = options.PROTOCOLS[declared.pop("protocol")]
    assert options.faults(models.source, declared.pop("options", {})) == []
    assert options.faults(models.feed, declared["feed"]) == []
    assert not list(secrets.find(YAML(typ="safe").load(text)))
    del declared["feed"]
    assert not declared


def test_there_are_recipes():
    assert len(BLOCKS) >= 9
