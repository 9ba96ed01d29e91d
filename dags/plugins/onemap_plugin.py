"""The hub inside Airflow's UI: the navigation entries 一张图 One Map and 运行健康 Pipeline health, and the pages behind them."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from dags.connection_form import NoPort
from dags.one_map import page
from dags.pages import app


async def api(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The REST API. Imported when it is first asked: every task's process reads this plugin, and none serves."""
    from serving.api.app import app as served

    await served(scope, receive, send)


class OneMapPlugin(AirflowPlugin):
    """Pages under ``/onemap``, shown inside Airflow's own frame, for whoever is logged in there."""

    name = "onemap"
    fastapi_apps = [
        {"app": api, "url_prefix": "/onemap/api", "name": "一张图 API"},  # before the prefix that it lies within
        {"app": page, "url_prefix": "/onemap/map", "name": "一张图 One Map"},
        {"app": app, "url_prefix": "/onemap", "name": "一张图 OneMap"},
    ]
    fastapi_root_middlewares = [{"middleware": NoPort, "args": [], "kwargs": {}, "name": "一张图 connection form"}]
    external_views = [
        {
            "name": "一张图",
            "href": "/onemap/map/",
            "destination": "nav",
            "url_route": "one-map",
            "icon": "/onemap/map/static/nav.svg",
            "icon_dark_mode": "/onemap/map/static/nav-dark.svg",
            "nav_top_level": True,
        },
        {
            "name": "运行健康",
            "href": "/onemap/health",
            "destination": "nav",
            "url_route": "health",
            "icon": "/onemap/icon.svg",
            "icon_dark_mode": "/onemap/icon-dark.svg",
            "nav_top_level": True,
        },
    ]
