"""Airflow's log-in by the hub's accounts (``onemap user``), beside the administrator that ``onemap up`` made.

For one machine and for offices without a directory. A city with one sets ``AIRFLOW__CORE__AUTH_MANAGER`` to FAB (LDAP, OAuth) or
Keycloak: docs/accounts.md.
"""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.datamodels.login import LoginBody, LoginResponse
from airflow.api_fastapi.auth.managers.simple.services.login import SimpleAuthManagerLogin
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.auth.managers.simple.utils import parse_login_body
from airflow.configuration import conf
from fastapi import Depends, FastAPI, HTTPException
from fastapi.routing import APIRoute


class Accounts(SimpleAuthManager):
    """The simple auth manager, whose users are the hub's accounts too; a closed account ends with its next request."""

    def get_fastapi_app(self) -> FastAPI | None:
        """The log-in page as Airflow has it; what it posts is answered here first."""
        app = super().get_fastapi_app()
        if app is not None:
            ours = [
                APIRoute("/token", self._log_in, methods=["POST"], status_code=201, response_model=LoginResponse),
                APIRoute(
                    "/token/cli", self._log_in_cli, methods=["POST"], status_code=201, response_model=LoginResponse
                ),
            ]
            app.router.routes[:0] = ours
        return app

    def _log_in(self, body: LoginBody = Depends(parse_login_body)) -> LoginResponse:  # noqa: B008 - FastAPI's way
        return self._token(body, conf.getint("api_auth", "jwt_expiration_time"))

    def _log_in_cli(self, body: LoginBody) -> LoginResponse:
        return self._token(body, conf.getint("api_auth", "jwt_cli_expiration_time"))

    def _token(self, body: LoginBody, seconds: int) -> LoginResponse:
        from serving import accounts, audit, lockout

        subject = lockout.account(body.username)
        if wait := lockout.closed(subject):
            raise HTTPException(429, "登录失败次数过多，请稍后再试。", {"Retry-After": str(wait)})
        account = accounts.check(body.username, body.password)
        if account is None:  # the administrator of the run folder, or nobody
            try:
                built = SimpleAuthManagerLogin.create_token(body, seconds)
            except HTTPException:
                lockout.refused(subject, "airflow")
                raise
            lockout.passed(subject)
            return LoginResponse(access_token=built)
        lockout.passed(subject)
        audit.append(f"account:{account.name}", "log in", "airflow", {})
        user = SimpleAuthManagerUser(username=account.name, role=account.airflow_role)
        return LoginResponse(access_token=self.generate_jwt(user=user, expiration_time_in_seconds=seconds))

    def deserialize_user(self, token: dict[str, Any]) -> SimpleAuthManagerUser:
        """With the role of now; a closed account has none."""
        if token["sub"] in {user.username for user in self.get_users()}:
            return super().deserialize_user(token)
        from serving import accounts

        account = accounts.find(token["sub"])
        return SimpleAuthManagerUser(username=token["sub"], role=account.airflow_role if account else None)
