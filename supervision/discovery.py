"""The rules that are registered: every module of :mod:`supervision.findings` is imported, so that none is forgotten."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from core.errors import InternalError
from supervision import findings, rule
from supervision.rule import Check, Rule


def checks() -> dict[str, Check]:
    """Every registered function by key: those of all modules of :mod:`supervision.findings`, whoever imports them.

    :raises InternalError: a part of a rule that is not registered itself.
    """
    _discover()
    for check in rule.registered.values():
        if check.rule not in rule.registered:
            raise InternalError(
                f"{check.where} is a part of the rule {check.rule}, which no function registers",
                remedy="register the rule, without part",
                zh=f"{check.where} 属于规则 {check.rule}，而该规则没有登记。",
            )
    return dict(rule.registered)


def codes() -> dict[str, type[Rule]]:
    """Every rule → the model of its entry in rules.yaml."""
    return {check.rule: check.values for check in checks().values() if check.values is not None}


@cache
def _discover() -> None:
    """Import all modules of findings: a rule in a module that nobody imports would never fire."""
    for module in pkgutil.iter_modules(findings.__path__):
        importlib.import_module(f"{findings.__name__}.{module.name}")
