"""What Airflow's "Test" button runs: the same check as ``onemap source check``."""

from __future__ import annotations

from airflow.sdk import BaseHook


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
        """Check every source that is declared on this Connection; the first fault is told."""
        from core.errors import OneMapError
        from core.redaction import redact
        from pipeline import checking, rooms

        sources = [source for source in rooms.sources() if source.connection == self.conn_id]
        if not sources:
            return False, f"没有数源使用连接 {self.conn_id} / no source is declared on this Connection"
        try:
            lines = [line for source in sources for line in checking.check(source.source)]
        except OneMapError as error:
            return False, redact(f"{error.zh} / {error.message}")
        bad = [line for line in lines if not line.ok]
        shown = bad or lines
        return not bad, redact("; ".join(f"{line.what}: {line.detail} {line.remedy}".strip() for line in shown))
