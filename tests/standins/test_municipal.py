"""M1 and M3: token, cursors, ETag; work orders and the departments that answer them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator

from standins.forms import dice, stamp
from standins.testing import Running
from tests.standins import sample

CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "schemas/contracts/m1.openapi.yaml").read_text("utf-8"))


def valid(path: str, answer: Any, method: str = "get", status: str = "200") -> None:
    schema = CONTRACT["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": CONTRACT["components"]}).validate(answer)


def token(stand: Running, *, basic: bool = True) -> str:
    told = stand.connection("m_api")
    form = {"grant_type": "client_credentials"}
    auth = (told["login"], told["password"]) if basic else None
    if not basic:
        form |= {"client_id": told["login"], "client_secret": told["password"]}
    answer = requests.post(f"{told['host']}/oauth/token", data=form, auth=auth, timeout=10)
    valid("/oauth/token", answer.json(), "post")
    return answer.json()["access_token"]


def get(
    stand: Running, path: str, bearer: str, headers: dict[str, str] | None = None, **query: Any
) -> requests.Response:
    base = stand.connection("m_api")["host"]
    return requests.get(
        f"{base}/api/v1/{path}",
        params=query,
        headers={"Authorization": f"Bearer {bearer}", **(headers or {})},
        timeout=10,
    )


def test_tokens(stand: Running) -> None:
    told = stand.connection("m_api")
    for basic in (True, False):
        assert get(stand, "items", token(stand, basic=basic)).status_code == 200
    answer = requests.post(
        f"{told['host']}/oauth/token", data={"grant_type": "client_credentials"}, auth=("x", "y"), timeout=10
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = get(stand, "items", "made-up")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_items_in_pages_with_the_etag_on_the_first_alone(stand: Running) -> None:
    bearer = token(stand)
    first = get(stand, "items", bearer, limit=30)
    valid("/api/v1/items", first.json())
    second = get(stand, "items", bearer, limit=30, cursor=first.json()["next_cursor"])
    assert "ETag" in first.headers and "ETag" not in second.headers
    assert second.json()["next_cursor"] is None
    codes = [row["item_code"] for answer in (first, second) for row in answer.json()["data"]]
    assert len(codes) == len(set(codes)) == 57
    assert get(stand, "items", bearer, {"If-None-Match": first.headers["ETag"]}).status_code == 304
    for limit in (0, 201, "x"):
        assert get(stand, "items", bearer, limit=limit).json()["error"] == "bad_limit"


def test_a_cursor_outlives_its_token_and_dies_with_the_listing(stand: Running, world: Path) -> None:
    bearer = token(stand)
    cursor = get(stand, "items", bearer, limit=30).json()["next_cursor"]
    stand.faults.arm("m1", "token_expired")
    assert get(stand, "items", bearer, cursor=cursor).status_code == 401
    assert get(stand, "items", bearer, cursor=cursor).status_code == 401  # it stays expired
    bearer = token(stand)
    assert get(stand, "items", bearer, cursor=cursor).status_code == 200
    stand.faults.arm("m1", "cursor_expired")
    assert get(stand, "items", bearer, cursor=cursor).json()["error"] == "cursor_expired"
    assert get(stand, "items", bearer, cursor="nonsense").status_code == 410
    sample.append(
        world,
        "m1/items",
        {
            "item_code": "DG-999",
            "version": 1,
            "item_name": "新",
            "kind": "政务服务事项",
            "stage": 1,
            "updated_at": sample.ago(minutes=1),
        },
    )
    stand.settle()
    assert get(stand, "items", bearer, cursor=cursor).status_code == 410


def test_projects_since_a_time_are_complete_whatever_the_page(stand: Running) -> None:
    bearer, codes, cursor = token(stand), [], None
    while True:
        answer = get(stand, "projects", bearer, limit=70, **({"cursor": cursor} if cursor else {}))
        valid("/api/v1/projects", answer.json())
        codes += [row["project_code"] for row in answer.json()["data"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    assert len(codes) == len(set(codes)) == 450
    inclusive = get(stand, "projects", bearer, updated_since=sample.ago(hours=500 - 149)).json()["data"]
    assert [row["project_code"][-6:] for row in inclusive] == ["000447", "000448", "000449"]
    assert get(stand, "projects", bearer, updated_since="soon").json()["error"] == "bad_time"


def order(number: str, revision: int = 1, action: str = "dispatch") -> dict[str, Any]:
    return {
        "work_order_no": number,
        "revision": revision,
        "action": action,
        "finding_id": "F1",
        "rule": "C1",
        "project_code": sample.CODES[0],
        "item_code": "DG-404",
        "case_no": None,
        "department_code": "11441900000001230P",
        "department_name": "自然资源局",
        "title": "疑似体外循环",
        "content": "请核实",
        "severity": 2,
        "dispatched_at": stamp(sample.CLOCK),
        "due_at": None,
    }


def post(stand: Running, bearer: str, body: dict[str, Any], key: str | None = None) -> requests.Response:
    base = stand.connection("m_api")["host"]
    headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": key or uuid.uuid4().hex}
    return requests.post(f"{base}/api/v1/work-orders", json=body, headers=headers, timeout=10)


def stirring(text: str) -> str:
    """The number of an order that its department answers."""
    return next(f"{text}-{n}" for n in range(99) if dice(f"{text}-{n}") % 10 != 9)


def test_orders_are_taken_once_and_in_order(stand: Running) -> None:
    bearer, key = token(stand), uuid.uuid4().hex
    first = post(stand, bearer, order("WO-1"), key)
    valid("/api/v1/work-orders", first.json(), "post", "201")
    again = post(stand, bearer, order("WO-1"), key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert post(stand, bearer, {**order("WO-1"), "title": "别的"}, key).status_code == 422
    assert post(stand, bearer, order("WO-1")).status_code == 409
    assert post(stand, bearer, order("WO-1", 2, "urge")).status_code == 201
    assert post(stand, bearer, {**order("WO-2"), "severity": 9}).json()["error"] == "bad_body"


def test_an_answer_lost_after_the_order_was_taken(stand: Running) -> None:
    bearer, key = token(stand), uuid.uuid4().hex
    stand.faults.arm("m3", "lost_answer")
    with pytest.raises(requests.exceptions.ConnectionError):
        post(stand, bearer, order("WO-lost"), key)
    assert post(stand, bearer, order("WO-lost"), key).status_code == 201
    assert post(stand, bearer, order("WO-lost")).status_code == 409


def updates(stand: Running, bearer: str, cursor: str | None = None) -> dict[str, Any]:
    answer = get(stand, "work-orders/updates", bearer, **({"cursor": cursor} if cursor else {})).json()
    valid("/api/v1/work-orders/updates", answer)
    return answer


def test_departments_sign_answer_and_ask_to_close_as_the_clock_moves(stand: Running) -> None:
    bearer, number = token(stand), stirring("WO-dept")
    start = updates(stand, bearer)["next_cursor"]
    post(stand, bearer, order(number))
    assert not [u for u in updates(stand, bearer, start)["data"] if u["work_order_no"] == number]
    try:
        stand.move_clock(days=6)
        told = updates(stand, bearer, start)
        mine = [u for u in told["data"] if u["work_order_no"] == number]
        assert [u["action"] for u in mine] == ["签收", "反馈", "核销"]
        assert mine[1]["result"] in ("整改", "误报") and mine[0]["department_code"] == "11441900000001230P"
        assert all(sample.ago() < u["at"] <= stamp(stand.ctx.now()) for u in mine)
        assert updates(stand, bearer, told["next_cursor"])["data"] == []
        second = stirring("WO-once-more")
        post(stand, bearer, order(second))
        stand.move_clock(days=6)
        seqs = [u["seq"] for u in updates(stand, bearer, told["next_cursor"])["data"]]
        assert mine[-1]["seq"] in seqs or told["data"][-1]["seq"] in seqs  # at least once: the last comes again
        stand.faults.arm("m3", "cursor_expired")
        assert get(stand, "work-orders/updates", bearer, cursor=start).status_code == 410
    finally:
        stand.move_clock(at=sample.CLOCK)


def test_orders_outlive_a_restart(world: Path, tmp_path: Path) -> None:
    from standins.context import Context
    from standins.systems.m1 import Tokens
    from standins.systems.m3 import WorkOrders
    from standins.told import World

    def opened() -> WorkOrders:
        ctx = Context(World(world), tmp_path)
        orders = WorkOrders(ctx, Tokens(ctx))
        orders.open()
        return orders

    first = opened()
    with first._store:
        first._plan(order(stirring("WO-kept")), sample.CLOCK)
    first.close()
    second = opened()
    second.move(sample.CLOCK.replace(month=12))
    assert second._store.execute("select count(*) from told").fetchone()[0] == 3
    second.close()
