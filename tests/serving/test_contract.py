"""The whole API against its own OpenAPI description: no 5xx, no answer that it does not describe."""

from __future__ import annotations

from datetime import date

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError
from schemathesis.specs.openapi.checks import ignored_auth

from serving import keys, on_day
from serving.api.app import app
from serving.api.common import Day, Instant
from tests.serving.conftest import rows

schema = schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.fixture(scope="module")
def key(store) -> str:
    on_day.bring(date(2026, 11, 20))  # for all that ask of it
    return keys.make(
        "contract", ["read:projects", "admin", "read:personal"], by="test", per_minute=10**6, per_day=10**7
    )[1]


@seed(20261124)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=False,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@schema.parametrize()
def test_any_request_is_answered_as_described(case, key):
    # which days and instants there are no schema can say: one still to come, before the feed, or both at once are refused
    # (tests/serving/test_past.py, test_on_day.py). What is malformed goes out as it is, and so does a day that has been.
    query = case.query if isinstance(case.query, dict) else {}
    if _well_formed(Instant, query.get("known_at")):
        del query["known_at"]
    if _well_formed(Day, query.get("as_of")):
        if "known_at" in query:
            del query["as_of"]
        else:
            query["as_of"] = "2026-11-20"
    # wrong keys are counted and answered by 429 after a while (tests/serving/test_doors.py), which that check calls a fault
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, excluded_checks=[ignored_auth])


def _well_formed(kind: object, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return isinstance(value, str)


def test_the_description_is_openapi_3_1(store):
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    for name, made in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(made)
        assert name
    assert all(operation["summary"] for path in document["paths"].values() for operation in path.values())


def test_real_answers_hold_to_the_schemas(ask, store):
    """Of each route with real codes: schemathesis seldom guesses one."""
    client = ask("read:projects", "admin")
    code = rows("""select project_code as c from store."case" group by 1 order by count(*) desc limit 1""")[0]["c"]
    case = rows("""select id from store."case" order by id limit 1""")[0]["id"]
    document = app.openapi()
    for path, filled in {
        "/v1/projects": "/v1/projects?limit=1000",
        "/v1/projects/{code}": f"/v1/projects/{code}",
        "/v1/projects/{code}/position": f"/v1/projects/{code}/position",
        "/v1/cases": "/v1/cases?limit=1000",
        "/v1/cases/{no}": f"/v1/cases/{case}",
        "/v1/items": "/v1/items?limit=1000",
        "/v1/findings": "/v1/findings?limit=1000",
        "/v1/work-orders": "/v1/work-orders",
        "/v1/licences": "/v1/licences?limit=1000",
        "/v1/statistics": "/v1/statistics",
        "/v1/changes": "/v1/changes?limit=1000",
    }.items():
        answer = client.get(filled)
        assert answer.status_code == 200
        wanted = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**wanted, "components": document["components"]}).validate(answer.json())
