"""Who sees what of the One Map page inside Airflow: its rights decide."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import HTTPException, Request

from dags import one_map
from serving import accounts
from serving.access import ADMIN, DECIDE, PROJECTS, RAW


@pytest.fixture
def asks(monkeypatch):
    """``asks("OP")`` → the grant of a person of that role."""
    from airflow.api_fastapi import app
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api import security

    def grant(role: str | None, held: accounts.Account | None = None):
        async def user(*_: object) -> SimpleAuthManagerUser:
            return SimpleAuthManagerUser(username="li", role=role)

        monkeypatch.setattr(security, "get_user", user)
        monkeypatch.setattr(accounts, "find", lambda name: held)
        monkeypatch.setattr(app, "get_auth_manager", SimpleAuthManager)
        return asyncio.run(one_map._asker(Request({"type": "http", "headers": []})))

    return grant


@pytest.mark.parametrize(
    "role, scopes",
    [
        ("VIEWER", {PROJECTS, ADMIN}),
        ("USER", {PROJECTS, ADMIN, DECIDE}),
        ("OP", {PROJECTS, ADMIN, DECIDE, RAW}),
        ("ADMIN", {PROJECTS, ADMIN, DECIDE, RAW}),
    ],
)
def test_rights_say_what_a_person_sees_and_nobody_is_shown_personal_data_on_the_pages(asks, role, scopes):
    grant = asks(role)
    assert grant.scopes == scopes and grant.free and not grant.personal and grant.actor == "airflow:li"
    assert grant.operates and grant.raw == (RAW in scopes)


def test_whoever_has_no_right_to_the_website_is_refused(asks):
    with pytest.raises(HTTPException) as refused:
        asks(None)
    assert refused.value.status_code == 403


def test_an_account_held_to_a_town_sees_its_rows_whatever_airflow_says(asks):
    held = accounts.Account("li", "admin", {"town": ("441900119",)})
    for role in (None, "ADMIN"):
        grant = asks(role, held)
        assert grant.towns == ("441900119",) and grant.scopes == {PROJECTS} and not grant.operates and not grant.decides
