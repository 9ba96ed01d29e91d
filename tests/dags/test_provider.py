"""Connection types with forms in the Airflow UI, found by the folder on PYTHONPATH alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from core import settings


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What the UI is told, from a process that starts as the launcher starts it."""
    probe = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
print(json.dumps({m.connection_type: m.model_dump(mode="json") for m in HookMetaService.hook_meta_data()}, default=str))
"""
    home = tmp_path_factory.mktemp("airflow")
    env = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(settings.ROOT), str(settings.ROOT / "dags" / "provider")]),
    }
    done = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_every_declared_protocol_has_a_form(forms):
    from dags.provider.onemap_provider.info import FORM_OF
    from sources.loader import load_all

    for source in load_all().values():
        assert FORM_OF[source.protocol] in forms, source.source


def test_the_forms_have_the_fields_of_the_contract(forms):
    """docs/source-systems.md, "Connections"."""
    fields = {name: set(form["extra_fields"] or {}) for name, form in forms.items() if name.startswith("onemap_")}
    assert fields == {
        "onemap_gateway": {"header_prefix", "verify"},
        "onemap_rest": {"verify"},
        "onemap_soap": {"wsdl", "verify"},
        "onemap_tables": {"url"},
        "onemap_drop": {"host_key", "private_key", "key_file", "root"},
        "onemap_geo": {"verify"},
        "onemap_mqtt": {"tls", "client_id"},
        # channels of alerts, docs/alerts.md
        "onemap_mail": {"to", "smtp"},
        "onemap_wecom": set(),
        "onemap_dingtalk": set(),
        "onemap_feishu": set(),
        "onemap_webhook": set(),
    }


def test_a_private_key_is_typed_in_as_a_secret(forms):
    assert forms["onemap_drop"]["extra_fields"]["private_key"]["schema"]["format"] == "password"


def test_labels_are_chinese_first(forms):
    assert forms["onemap_gateway"]["hook_name"].startswith("一张图")
    assert forms["onemap_gateway"]["standard_fields"]["password"]["title"] == "令牌 token"


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ({"connection_id": "p", "port": 0}, {"connection_id": "p", "port": None}),
        ({"connection_id": "p", "port": "0"}, {"connection_id": "p", "port": None}),
        ({"connection_id": "p", "port": 22}, {"connection_id": "p", "port": 22}),
        ({"connection_id": "p"}, {"connection_id": "p"}),
    ],
)
def test_port_0_of_the_form_is_no_port_so_that_test_uses_the_stored_password(sent, passed):
    """Test answered Bad Request for 11 of 13 Connections."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.testclient import TestClient

    from dags.connection_form import NoPort

    async def echo(request):
        return Response(await request.body(), media_type="application/json")

    app = NoPort(Starlette(routes=[Route("/{path:path}", echo, methods=["POST", "PATCH"])]))
    client = TestClient(app)
    assert client.post("/api/v2/connections/test", json=sent).json() == passed
    assert client.patch("/api/v2/connections/p", json=sent).json() == passed
    assert client.post("/api/v2/dags", json=sent).json() == sent  # nothing else is touched
    assert client.post("/api/v2/connections", content=b"no json").content == b"no json"
