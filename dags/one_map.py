"""The One Map page inside Airflow's API server, for users whom Airflow knows. Nothing of it is imported before it is asked."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from dags import login

if TYPE_CHECKING:
    from serving.access import Grant


async def page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The application. What it needs is imported aside, so that nobody else waits for it."""
    app = await run_in_threadpool(_application)
    await app(scope, receive, send)


@cache
def _application() -> Any:
    from serving.pages.app import application

    app = application(_asker, redrive="../../api/v2/dags/redrive/dagRuns")
    app.add_exception_handler(login.LogIn, login.to_login)
    return app


async def _asker(request: Request) -> Grant:
    """What Airflow's rights allow; the audit log says who it was.

    Whoever may see Airflow's pages sees all projects, personal data masked. Whoever may start DAGs may decide. Whoever may see the cluster's activity sees lineage,
    quarantine and balance too; whoever may edit Connections, and so could ask the sources himself, rows and payloads as received.
    """
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity

    from serving import accounts
    from serving.access import ADMIN, DECIDE, PROJECTS, RAW, Grant

    user = await login.user(request)
    account = await run_in_threadpool(accounts.find, user.get_name())
    if account is not None and account.restricted:  # its towns and departments, and nothing of Airflow
        return account.grant()
    manager = get_auth_manager()
    if not manager.is_authorized_view(access_view=AccessView.WEBSITE, user=user):
        raise HTTPException(403, "无权查看。")
    scopes = {PROJECTS}
    if manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, user=user):
        scopes.add(DECIDE)
    if manager.is_authorized_view(access_view=AccessView.CLUSTER_ACTIVITY, user=user):
        scopes.add(ADMIN)
        if manager.is_authorized_connection(method="PUT", user=user):
            scopes.add(RAW)
    return Grant(f"airflow:{user.get_name()}", frozenset(scopes))
