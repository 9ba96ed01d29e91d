"""The hub inside Airflow's UI: the navigation entry "运行健康 Pipeline health" and the pages behind it."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from dags.pages import app


class OneMapPlugin(AirflowPlugin):
    """Pages under ``/onemap``, shown inside Airflow's own frame, for whoever is logged in there."""

    name = "onemap"
    fastapi_apps = [{"app": app, "url_prefix": "/onemap", "name": "一张图 OneMap"}]
    external_views = [
        {
            "name": "运行健康",
            "href": "/onemap/health",
            "destination": "nav",
            "url_route": "health",
            "icon": "/onemap/icon.svg",
            "icon_dark_mode": "/onemap/icon-dark.svg",
            "nav_top_level": True,
        }
    ]
