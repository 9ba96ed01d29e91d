"""Reasons for which a row was not taken, for people."""

from __future__ import annotations

_TEXTS = {
    "unknown_code": "{field} 没有对应代码：{detail}",
    "missing_value": "{field} 为必填而缺值",
    "too_long": "{field} 超过约定长度（{detail} 字）",
    "refused": "接收方拒收：{detail}",
    "dismissed": "不予推送（{detail}）",
}


def sentence(reason: dict[str, str]) -> str:
    """A reason as a sentence."""
    return _TEXTS.get(reason["code"], "{code} {field} {detail}").format(**reason)
