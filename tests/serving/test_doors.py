"""Who stands at the door: wrong keys and passwords are told and stopped, other sites change nothing, links lead where we say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from serving import accounts, audit, keys, lockout
from serving.api.app import app as api
from serving.pages import standalone
from store.engine import engine
from tests.hub import hub, migrated  # noqa: F401

PASSWORD = "correct horse battery"
PLACE = standalone.PLACE


def entries(action: str) -> list[str]:
    with engine().connect() as connection:
        return list(
            connection.exec_driver_sql(
                f"select actor from store.audit where action = '{action}' order by seq"
            ).scalars()
        )


@pytest.fixture
def pages(hub) -> TestClient:  # noqa: F811
    return TestClient(standalone.make("t" * 43, "operator", ["testserver"]), follow_redirects=False)


def test_a_password_is_not_guessed_on(pages):
    accounts.make("li", "operator", PASSWORD, by="test")
    for _ in range(lockout.NAME_TRIES):
        assert pages.post("/login", data={"name": "li", "password": "wrong horse battery"}).status_code == 401
    assert pages.post("/login", data={"name": "li", "password": PASSWORD}).status_code == 401, "closed for a while"
    assert lockout.closed(lockout.account("li")) > 0 and lockout.closed(lockout.account("wang")) == 0
    assert entries("refused") == ["account:li", "account:li"]  # the first, and the one that closed the door
    assert audit.verify().broken is None


def test_a_right_password_forgets_the_wrong_ones(pages):
    accounts.make("li", "operator", PASSWORD, by="test")
    for _ in range(3):
        for _ in range(lockout.NAME_TRIES - 1):
            pages.post("/login", data={"name": "li", "password": "wrong horse battery"})
        assert pages.post("/login", data={"name": "li", "password": PASSWORD}).status_code == 303


def test_too_many_wrong_keys_are_answered_429_and_a_right_one_passes(hub):  # noqa: F811
    client = TestClient(api)
    _, key = keys.make("test", ["read:projects"], by="test")
    answers = [
        client.get("/v1/items", headers={"X-API-Key": f"om_{n}"}).status_code for n in range(lockout.ADDRESS_TRIES + 2)
    ]
    assert answers == [401] * lockout.ADDRESS_TRIES + [429, 429]
    assert client.get("/v1/items", headers={"X-API-Key": key}).status_code == 200
    assert "address:testclient" in entries("refused")


def test_a_key_ends_after_a_year_and_follows_another_by_rotation(hub):  # noqa: F811
    old, key = keys.make("app", ["read:projects", "town:441900119"], by="test", per_minute=7)
    (told,) = keys.listed()
    assert timedelta(days=364) < told["expires_at"] - told["made_at"] <= timedelta(days=365)
    new, made = keys.rotate(old, by="test", grace=timedelta(days=3))
    one, two = keys.admit(key), keys.admit(made)
    assert one and two and (one.grant.towns, one.per_minute) == (two.grant.towns, two.per_minute)
    by_id = {row["id"]: row for row in keys.listed()}
    assert by_id[old]["expires_at"] - by_id[new]["made_at"] < timedelta(days=3, minutes=1)
    keys.rotate(new, by="test", grace=timedelta(0))
    assert keys.admit(made) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_site_changes_nothing(pages, headers):
    for path in ("/login", f"{PLACE}/ops/decide/hold/1", f"{PLACE}/subscriptions", f"{PLACE}/ops/alerts/test"):
        assert pages.post(path, data={}, headers=headers).status_code == 403, path
    assert pages.post("/login", data={"key": "x"}, headers={"Origin": "http://testserver"}).status_code == 401


def test_links_are_made_from_the_configured_address(hub, monkeypatch):  # noqa: F811
    _, key = keys.make("test", ["read:projects"], by="test")
    client = TestClient(api)
    for public in (None, "https://hub.dg.example"):
        if public:
            monkeypatch.setenv("ONEMAP_PUBLIC_URL", public)
        answer = client.get("/v1/features", headers={"X-API-Key": key, "Host": "evil.example"})
        if answer.status_code == 404:
            answer = client.get("/features", headers={"X-API-Key": key, "Host": "evil.example"})
        assert answer.status_code == 200 and "evil.example" not in answer.text
        assert (public or "http://testserver") in answer.text


def test_a_name_of_a_file_holds_no_path():
    from datetime import date

    from serving.archive.collect import Archive

    made = Archive.__new__(Archive)
    for name, value in {"code": "../../etc/cron.d/x", "as_of": date(2026, 11, 27), "recorded": None}.items():
        object.__setattr__(made, name, value)
    assert "/" not in made.name and ".." not in made.name
