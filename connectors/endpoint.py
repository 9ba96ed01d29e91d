"""An Airflow Connection, resolved: where a source is and how to prove who we are.

Connections are looked up as Airflow does: secrets backends, ``AIRFLOW_CONN_<ID>``, Airflow's database. Inside a
task the execution API answers; outside (command line) the metadata database of this run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Connection's fields. ``repr`` shows no secret."""

    conn_id: str
    conn_type: str
    host: str
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def base(self) -> str:
        """Base URL without a trailing slash: the host is a URL, or a name with port and schema beside it.

        In a Connection that was given as a URI (``https://name:port/path``), Airflow's type is the scheme and its
        schema the path.
        """
        host = self.host.strip()
        if "://" not in host:
            schemes = ("http", "https")
            scheme = next((word for word in (self.schema, self.conn_type) if word in schemes), "http")
            host = f"{scheme}://{host}" + ("" if self.schema in ("", *schemes) else f"/{self.schema}")
        scheme, rest = host.split("://", 1)
        name, slash, path = rest.partition("/")
        if self.port and ":" not in name.rpartition("]")[2]:
            name = f"{name}:{self.port}"
        return f"{scheme}://{name}{slash}{path}".rstrip("/")

    @property
    def secrets(self) -> list[str]:
        """Every value that must never be shown, for the redactor."""
        hidden = ("password", "secret", "token", "private_key", "key")
        values = [self.password, *(str(v) for k, v in self.extra.items() if any(h in k.lower() for h in hidden))]
        return [v for v in values if v]


def resolve(conn_id: str) -> Endpoint:
    """:raises ConfigurationError: there is no such Connection."""
    from airflow.sdk import BaseHook

    try:
        found = BaseHook.get_connection(conn_id)
    except Exception as error:  # Airflow raises several types for "not there"
        raise ConfigurationError(
            f"no Airflow Connection {conn_id!r}: {type(error).__name__}",
            remedy=f"add it in the Airflow UI (Admin > Connections) or as AIRFLOW_CONN_{conn_id.upper()}",
            zh=f"缺少 Airflow 连接 {conn_id}，请在 Airflow 界面（管理 > 连接）中添加，或设置 AIRFLOW_CONN_{conn_id.upper()}。",
        ) from error
    from core.redaction import hide

    endpoint = Endpoint(
        conn_id=conn_id,
        conn_type=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        schema=found.schema or "",
        extra=dict(found.extra_dejson or {}),
    )
    hide(endpoint.secrets)
    return endpoint
