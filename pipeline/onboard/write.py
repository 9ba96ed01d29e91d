"""A draft as YAML that a person reads: each guess with its reason behind it, each doubt with the mark ``# ?``."""

from __future__ import annotations

import json
import re
from typing import Any

from pipeline.onboard.profile import Profile
from pipeline.onboard.propose import Block, Draft, Guess
from schemas import entities

_PLAIN = re.compile(r"[A-Za-z_\u4e00-\u9fff][\w\u4e00-\u9fff.（）-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_WIDE = 46
_CODED = ("text", "number", "bool")
_FEW = 12  # values at most that are taken for a list
_ENOUGH = 20  # rows of a sample before what holds for all of them is worth asking


def flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(name)}: {flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.casefold() not in _WORDS
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def note(reasons: list[str], *, sure: bool) -> str:
    """The comment behind a guess."""
    text = "；".join(dict.fromkeys(reasons)).replace("\n", " ").replace("#", "＃")
    return f"   # {'' if sure else '? '}{text[:160]}".rstrip()


def mapping(draft: Draft, profile: Profile, *, day: str) -> str:
    """``mappings/<source>/<feed>.yaml``."""
    open_ = sum(1 for guess in draft.guesses() if not guess.sure) + sum(1 for b in draft.blocks if not b.sure)
    lines = [
        "# yaml-language-server: $schema=../../schemas/mapping.schema.json",
        f"# 起草于 {day}，依据数源当前 {profile.rows} 行样本。带“# ?”的 {open_} 处须由人确认：改对后删去该标记，再运行 onemap source check。",
        f"feed: {draft.feed}",
        "version: 1",
        *([f"doc: {flow(draft.name)}"] if draft.name else []),
        f"key: {flow(draft.key.value)}{note(draft.key.reasons, sure=draft.key.sure)}",
    ]
    for role in ("time", "rank", "tombstone"):
        guess: Guess | None = getattr(draft, role)
        if guess:
            lines.append(f"{role}: {flow(guess.value)}{note(guess.reasons, sure=guess.sure)}")
    if draft.aside:
        lines.append("ignore:   # 不用，留在原始记录中")
        lines += [
            f"  - {flow(guess.raw)}{note([*guess.reasons, _seen(profile, guess.raw)], sure=guess.sure)}"
            for guess in draft.aside
        ]
    lines.append("entities:")
    for block in draft.blocks:
        lines += _block(block, profile)
    return "\n".join(lines) + "\n"


def _block(block: Block, profile: Profile) -> list[str]:
    lines = [f"  - entity: {block.entity}{note(block.reasons, sure=block.sure)}"]
    if block.when is not None:
        lines.append(f"    when: {flow(block.when)}")
    if block.explode:
        lines.append(f"    explode: {flow(block.explode)}")
    lines.append("    columns:")
    if not block.columns:
        lines[-1] += " {}   # ? 没有认出任何一列"
    model = entities.load(block.entity)
    for column, guess in block.columns.items():
        zh = model.columns[column].zh
        seen = _seen(profile, guess.raw) if guess.raw and not guess.sure else ""
        line = f"      {column}: {flow(guess.value)}"
        lines.append(f"{line:{_WIDE}}{note([zh, *guess.reasons, *([seen] if seen else [])], sure=guess.sure)}")
    return lines


def _seen(profile: Profile, raw: str) -> str:
    column = profile.columns.get(raw)
    if column is None or not column.values or column.personal:
        return ""
    return "如 " + "、".join(value[:20] for value, _ in column.values[:2])


def suite(profile: Profile, *, key: list[str], day: str) -> str:
    """``quality/suites/feeds/<feed>.yaml``: what held for each row of the sample. It tells and rejects nothing, as a sample
    proves no rule; "" where nothing is to be asked."""
    asked: list[tuple[str, str, list[str] | None, str, str, str]] = []
    if profile.rows >= _ENOUGH:
        for name, column in profile.columns.items():
            if "." in name or "[" in name or name in key:
                continue
            if column.filled == profile.rows:
                asked.append(("column_values_to_not_be_null", name, None, "missing_value", "warning", "每行都有值"))
            coded = column.kind in _CODED and 1 < column.distinct <= _FEW and column.filled >= 5 * column.distinct
            if coded and not column.personal and column.distinct == len(column.values):
                values = sorted(value for value, _ in column.values)
                text = f"只见过 {column.distinct} 种值"
                asked.append(("column_values_to_be_in_set", name, values, "not_in_code_list", "info", text))
    if not asked:
        return ""
    lines = [
        f"# 起草于 {day}，依据 {profile.rows} 行样本：只提示，不隔离。不成立的删去；必须成立的，将 severity 改为 error。",
        f"feed: {profile.feed}",
        "expectations:",
    ]
    for expect, name, allowed, code, severity, why in asked:
        given = {"expect": expect, "column": name} | ({"value_set": allowed} if allowed else {})
        lines.append(f"  - {flow(given | {'code': code, 'severity': severity})}{note([why], sure=True)}")
    return "\n".join(lines) + "\n"


def source(
    *,
    source: str,
    name: str,
    system: str,
    department: str,
    connection: str,
    protocol: str,
    schedule: str,
    promise: str,
    options: dict[str, Any],
    feeds: dict[str, dict[str, Any]],
) -> str:
    """``sources/<id>.yaml`` of a new system; ``feeds``: id → name, cursor, options; keys are left to the draft."""
    lines = [
        "# yaml-language-server: $schema=../schemas/source.schema.json",
        f"source: {source}",
        f"name: {flow(name)}",
        f"system: {flow(system)}",
        f"owner: {flow({'department': department})}",
        f"connection: {connection}",
        f"protocol: {protocol}",
        f"schedule: {json.dumps(schedule)}",
        f"promise: {promise}",
    ]
    if options:
        lines.append(f"options: {flow(options)}")
    lines.append("feeds:")
    for feed, given in feeds.items():
        lines += [
            f"  {feed}:",
            f"    name: {flow(given['name'])}",
            f"    mapping: {source}/{feed}",
            f"    key: {json.dumps(['?'])}   # ? 主键待定：onemap source draft {source}",
            f"    cursor: {flow(given['cursor'])}",
        ]
        if given.get("options"):
            lines.append(f"    options: {flow(given['options'])}")
    return "\n".join(lines) + "\n"


def decide_key(text: str, feed: str, guess: Guess) -> str:
    """The text of a source's declaration with the key of a feed that had none."""
    pattern = re.compile(rf'(^  {re.escape(feed)}:\n(?:    .*\n)*?    key: )\["\?"\].*', re.M)
    return pattern.sub(
        lambda found: f"{found[1]}{flow(guess.value)}{note(guess.reasons, sure=guess.sure)}", text, count=1
    )
