"""What Airflow's "Test" button runs: the same check as ``onemap source check``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from connectors.base import CheckLine
    from connectors.endpoint import Endpoint
    from sources.declaration import Source


class SourceHook(BaseHook):
    """A Connection of the hub; the connectors resolve it themselves (connectors/endpoint.py)."""

    conn_name_attr = "conn_id"
    default_conn_name = ""
    conn_type = "onemap"
    hook_name = "一张图 OneMap"

    def __init__(self, conn_id: str = "") -> None:
        super().__init__()
        self.conn_id = conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Check every source that goes by this Connection; what does not hold is told, else what was seen."""
        from connectors.endpoint import resolve
        from core.errors import OneMapError
        from core.redaction import redact
        from serving.alerts.send import CHANNELS

        try:
            given = resolve(self.conn_id)
            if given.conn_type in CHANNELS:
                return _channel(self.conn_id)
            sources = _sources(given)
            if not sources:
                return (
                    False,
                    "不能确定所属数源，请先保存连接，再运行 onemap source check / save it first: no declared source is known by this host",
                )
            lines = [line for source in sources for line in _check(source, given)]
        except OneMapError as error:
            return False, redact(f"{error.zh} / {error.message}")
        shown = [line for line in lines if not line.ok] or lines
        return all(line.ok for line in lines), redact(
            "; ".join(f"{x.what}: {x.detail} {x.remedy}".strip() for x in shown)
        )


def _channel(conn_id: str) -> tuple[bool, str]:
    """A message that says it is a test. :raises OneMapError: the channel does not take it."""
    from serving.alerts import send

    send.send(conn_id, "[一张图·测试] 告警渠道测试", "收到即说明本渠道可用，无须处置。")
    return True, "测试通知已送达 / the test message was delivered"


def _sources(given: Endpoint) -> list[Source]:
    """The sources meant. Airflow tests under a name of its own: they are known by form, and by host where forms are shared."""
    from connectors.endpoint import resolve
    from core.errors import ConfigurationError
    from onemap_provider.info import FORM_OF
    from sources.loader import load_all

    fitting = [source for source in load_all().values() if FORM_OF.get(source.protocol) == given.conn_type]
    if len({source.connection for source in fitting}) == 1:
        return fitting
    known = []
    for source in fitting:
        try:
            stored = resolve(source.connection)
        except ConfigurationError:
            continue
        if (stored.host, stored.port, stored.extra.get("url")) == (given.host, given.port, given.extra.get("url")):
            known.append(source)
    return known


def _check(source: Source, given: Endpoint) -> list[CheckLine]:
    from connectors import connector

    built = connector(source, replace(given, conn_id=source.connection))
    try:
        return built.check()
    finally:
        built.close()
