"""Errors, typed by whose fault they are.

An error that a person will read names source, feed, record, field and what to do. Raise the class of the
one who has to act; the pipeline decides on retries by :attr:`OneMapError.fault` alone.
"""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """Whose duty it is to mend."""

    CONFIGURATION = "configuration"  # 配置: our operator's settings, connection, declaration
    AUTHENTICATION = "authentication"  # 鉴权: credentials, grants, clock
    TRANSIENT = "transient"  # 暂时: network, busy, quota; tried again by itself
    PROVIDER = "provider"  # 数源: the source's data or answer breaks its contract
    OURS = "ours"  # 本系统: a defect of the hub


FAULT_ZH = {
    Fault.CONFIGURATION: "配置",
    Fault.AUTHENTICATION: "鉴权",
    Fault.TRANSIENT: "暂时性故障",
    Fault.PROVIDER: "数源问题",
    Fault.OURS: "本系统缺陷",
}


class OneMapError(Exception):
    """An error with its place and its remedy.

    ``message`` is English, for logs; ``remedy`` says in English what to do; ``zh`` is the whole in Chinese for
    pages and reports. None of them may hold a secret or a person's data.
    """

    fault: Fault = Fault.OURS

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        zh: str = "",
        source: str | None = None,
        feed: str | None = None,
        record: str | None = None,
        field: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.zh = zh or message
        self.source = source
        self.feed = feed
        self.record = record
        self.field = field
        self.code = code or type(self).__name__

    def at(self, **place: str | None) -> OneMapError:
        """Fill in what the raiser did not know (source, feed, record, field); known parts stay."""
        for name, value in place.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        return self

    def __str__(self) -> str:
        place = " ".join(
            f"{name}={value}"
            for name in ("source", "feed", "record", "field")
            if (value := getattr(self, name)) is not None
        )
        text = f"[{self.fault}] {self.message}"
        if place:
            text += f" ({place})"
        if self.remedy:
            text += f" -> {self.remedy}"
        return text


class ConfigurationError(OneMapError):
    """A declaration, a setting or a Connection is wrong or missing."""

    fault = Fault.CONFIGURATION


class NotFoundError(ConfigurationError):
    """What a person named is not there: a case, a finding, a key. Nothing is wrong with the hub's settings."""


class AuthenticationError(OneMapError):
    """The source refused our credentials, signature, certificate, host key or grant; never retried as it stands."""

    fault = Fault.AUTHENTICATION


class TransientError(OneMapError):
    """It may go through later: network, busy, quota. ``retry_after`` in seconds where the source gave it."""

    fault = Fault.TRANSIENT

    def __init__(self, message: str, *, retry_after: float | None = None, **place: Any) -> None:
        super().__init__(message, **place)
        self.retry_after = retry_after


class ProviderError(OneMapError):
    """The source's data or answer breaks its contract."""

    fault = Fault.PROVIDER


class HeldError(ProviderError):
    """The source's data are not as usual: nothing of the batch is stored, a person is asked (``onemap hold``)."""


class InternalError(OneMapError):
    """Ours: an invariant of the hub does not hold."""

    fault = Fault.OURS


_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def storage_error(error: OSError, where: object = "") -> OneMapError:
    """What went wrong with a disk of the hub, as what it is: full, not to be written to, or broken."""
    place = str(where or error.filename or "")
    if error.errno in _FULL:
        return TransientError(
            f"the disk is full: {place}",
            remedy="make room (onemap housekeeping, a larger disk); the batch is read again by itself",
            zh=f"磁盘已满：{place}。请清理或扩容；批次会自动重试。",
            code="disk",
        )
    if error.errno in _REFUSED:
        return ConfigurationError(
            f"not to be written to ({error.strerror}): {place}",
            remedy="mount it writable and give this user the right to write; then run again",
            zh=f"目录不可写（{error.strerror}）：{place}。请检查挂载方式与目录权限。",
            code="disk_read_only",
        )
    return InternalError(
        f"the disk fails ({error.strerror or error}): {place}",
        remedy="look at the machine's storage; then run again",
        zh=f"存储读写失败（{error.strerror or error}）：{place}。请检查本机存储。",
        code="disk_failed",
    )
