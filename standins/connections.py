"""The Airflow Connections of a run of the stand-ins (source-systems.md, "Connections")."""

from __future__ import annotations

from typing import Any

HOST = "127.0.0.1"
LOGINS = {
    "p_gateway": "dg-onemap",
    "m_api": "onemap-hub",
    "d_land": "onemap",
    "d_reform": "onemap",
    "d_drop": "onemap",
    "d_drop_in": "onemap-out",
    "s_wfs": "onemap",
    "s_readings": "onemap",
    "s_mqtt": "onemap",
}
MQTT_CLIENT_ID = "onemap-hub"


def connection(conn_id: str, conn_type: str, **fields: Any) -> dict[str, Any]:
    """One Connection; what is not given is empty."""
    empty: dict[str, Any] = {"host": "", "port": None, "schema": "", "login": "", "password": "", "extra": {}}
    return {"conn_id": conn_id, "conn_type": conn_type, **empty, **fields}


def http(conn_id: str, port: int, base: str, *, password: str = "", **extra: Any) -> dict[str, Any]:
    """An HTTP system: its base URL with its path."""
    return connection(
        conn_id,
        "http",
        host=f"http://{HOST}:{port}{base}",
        login=LOGINS.get(conn_id, "") if password else "",
        password=password,
        extra={"verify": True, **extra},
    )
