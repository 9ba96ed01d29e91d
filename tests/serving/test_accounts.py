"""Accounts of people: one log-in for Airflow and the pages, rights by role, rows by town and department."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from core import codes
from core.errors import ConfigurationError, NotFoundError
from serving import accounts
from serving.access import DECIDE, PROJECTS, RAW, grant_of
from serving.pages import standalone
from tests.hub import hub, migrated  # noqa: F401

PASSWORD = "correct horse battery"


def test_roles_say_what_may_be_done_and_rows_what_is_seen(hub):  # noqa: F811
    for role, decides, raw in (
        ("viewer", False, False),
        ("operator", True, False),
        ("engineer", True, True),
        ("admin", True, True),
    ):
        accounts.make(f"a-{role}", role, PASSWORD, by="test")
        grant = accounts.check(f"a-{role}", PASSWORD).grant()
        assert (DECIDE in grant.scopes, RAW in grant.scopes, grant.free, grant.personal) == (decides, raw, True, False)
    accounts.make("changan", "admin", PASSWORD, by="test", held={"town": ["441900119"]})
    held = accounts.find("changan")
    assert held.airflow_role is None and held.grant().towns == ("441900119",)
    assert not held.grant().operates and not held.grant().decides


@pytest.mark.parametrize(
    ("kind", "value"), [("enterprise", "91441900MA4UKQ6P9X"), ("agent", "周超"), ("team", "重点项目专班")]
)
def test_an_account_is_held_to_a_party_as_a_key_is(hub, kind, value):  # noqa: F811
    made = f"a-{kind}-{len(value)}"
    if kind == "enterprise":
        value = next(
            code
            for code in (f"91441900MA4UKQ6P9{c}" for c in "0123456789ABCDEFGHJKLMNPQRTUWXY")
            if codes.is_valid_uscc(code)
        )
    accounts.make(made, "operator", PASSWORD, by="test", held={kind: [value]})
    account = accounts.check(made, PASSWORD)
    assert account.held == {kind: (value,)} and account.airflow_role is None
    assert account.grant() == grant_of(f"account:{made}", [PROJECTS, f"{kind}:{value}"])
    assert account.grant().party and not account.grant().decides
    with pytest.raises(ConfigurationError):
        accounts.make(f"b-{kind}", "operator", PASSWORD, by="test", held={kind: ["a,b"]})


def test_a_wrong_password_a_closed_and_an_unknown_account_are_nobody(hub):  # noqa: F811
    accounts.make("li", "viewer", PASSWORD, by="test")
    assert accounts.check("li", "wrong horse battery") is None and accounts.check("nobody", PASSWORD) is None
    accounts.change("li", password="another long one")
    assert accounts.check("li", PASSWORD) is None and accounts.check("li", "another long one")
    accounts.change("li", closed=True)
    assert accounts.check("li", "another long one") is None and accounts.find("li") is None
    accounts.change("li", closed=False)
    assert accounts.find("li")
    for wrong in (
        ("admin", "viewer", PASSWORD),
        ("x", "viewer", PASSWORD),
        ("wang", "chief", PASSWORD),
        ("wang", "viewer", "short"),
        ("li", "viewer", PASSWORD),
    ):
        with pytest.raises(ConfigurationError):
            accounts.make(*wrong, by="test")
    with pytest.raises(NotFoundError):
        accounts.change("nobody", role="viewer")


def test_people_log_in_to_the_pages_in_chinese_without_a_key(hub):  # noqa: F811
    accounts.make("mayor", "viewer", PASSWORD, by="test")
    client = TestClient(standalone.make("a-token", "operator", ["testserver"]), headers={"accept": "text/html"})
    asked = client.get("/onemap/map/")
    assert asked.url.path == "/login" and "口令" in asked.text
    assert client.post("/login", data={"name": "mayor", "password": "wrong one here"}).status_code == 401
    opened = client.post("/login", data={"name": "mayor", "password": PASSWORD})
    assert opened.status_code == 200 and opened.url.path == "/onemap/map/" and "一张图" in opened.text
    cookie = client.cookies.get(standalone.COOKIE)
    accounts.change("mayor", closed=True)
    assert client.get("/onemap/map/").url.path == "/login"
    accounts.change("mayor", closed=False)
    for forged in (
        cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        cookie.replace("mayor", "admin"),
        "acc.mayor.99999999999.",
        "acc.",
    ):
        other = TestClient(client.app, headers={"accept": "text/html"}, cookies={standalone.COOKIE: forged})
        assert other.get("/onemap/map/").url.path == "/login", forged


def test_airflow_takes_the_hubs_accounts_and_forgets_a_closed_one(hub, monkeypatch):  # noqa: F811
    import json

    monkeypatch.setenv("AIRFLOW_HOME", str(hub))
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "admin:admin")
    (hub / "passwords.json").write_text(json.dumps({"admin": "root-password"}))
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(hub / "passwords.json"))
    from airflow.api_fastapi import app as airflow_app
    from onemap_provider.auth import Accounts

    accounts.make("li", "operator", PASSWORD, by="test")
    accounts.make("town", "operator", PASSWORD, by="test", held={"town": ["441900119"]})
    manager = Accounts()
    monkeypatch.setattr(
        manager, "generate_jwt", lambda user, expiration_time_in_seconds: f"{user.username}:{user.role}"
    )
    monkeypatch.setattr(airflow_app, "get_auth_manager", lambda: manager)
    import airflow.api_fastapi.auth.managers.simple.services.login as service

    monkeypatch.setattr(service, "get_auth_manager", lambda: manager)
    client = TestClient(manager.get_fastapi_app())
    told = {
        name: client.post("/token", json={"username": name, "password": word})
        for name, word in (("li", PASSWORD), ("town", PASSWORD), ("admin", "root-password"), ("nobody", "x" * 12))
    }
    assert {name: answer.status_code for name, answer in told.items()} == {
        "li": 201,
        "town": 201,
        "admin": 201,
        "nobody": 401,
    }
    assert [told[n].json()["access_token"] for n in ("li", "town", "admin")] == ["li:USER", "town:None", "admin:admin"]
    assert manager.deserialize_user({"sub": "li", "role": "USER"}).role == "USER"
    accounts.change("li", role="viewer")
    assert manager.deserialize_user({"sub": "li", "role": "USER"}).role == "VIEWER"
    accounts.change("li", closed=True)
    assert manager.deserialize_user({"sub": "li", "role": "ADMIN"}).role is None
    assert manager.deserialize_user({"sub": "admin", "role": "admin"}).role == "admin"
