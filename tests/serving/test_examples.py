"""The examples of the papers are run as they stand."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from core.settings import ROOT
from serving import keys, webhooks
from store.engine import engine
from tests.serving.conftest import rows

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(scope="module")
def served(store) -> Iterator[tuple[str, str]]:
    """(address of the API, key)."""
    from serving.api.app import app

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", keys.make("examples", ["read:projects"], by="test")[1]
    server.should_exit = True
    thread.join(10)


def run(*command: str) -> tuple[str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_the_python_example_lists_the_overdue_cases(served):
    case = rows(
        "select case_id from supervision.clock where promised_limit is not null and ended_at is not null order by 1 limit 1"
    )[0]
    with engine().begin() as connection:
        connection.exec_driver_sql("update supervision.clock set light = '红' where case_id = %s", (case["case_id"],))
    told, said = run(sys.executable, str(EXAMPLES / "overdue.py"), *served)
    number = rows('select case_no from store."case" where id = :i', i=case["case_id"])[0]["case_no"]
    assert number in told and "数据截至 20" in said


@pytest.mark.server
def test_the_javascript_example_follows_new_findings_and_goes_on_from_its_cursor(served, need):
    node = need("node", "nodejs")
    told, _ = run(node, str(EXAMPLES / "follow.mjs"), *served)
    count = rows("select count(*) as n from supervision.finding")[0]["n"]
    assert told.count("新发现 ") == count
    again, _ = run(node, str(EXAMPLES / "follow.mjs"), *served, told.split()[-1])
    assert "新发现" not in again


def test_the_five_questions_are_answered_by_the_views(store):
    questions = [
        q for q in re.sub(r"--.*", "", (EXAMPLES / "questions.sql").read_text("utf-8")).split(";") if q.strip()
    ]
    assert len(questions) == 5
    with engine().connect() as connection:
        for question in questions:
            connection.exec_driver_sql(question).all()


def test_the_receivers_ten_lines_check_a_signature():
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    code = re.search(r"```python\n(import base64.*?)```", text, re.S)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names: dict = {}
    exec(code, names)
    for secret in ("plain text", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        body = b'{"type":"onemap.changes"}'
        headers = {
            "webhook-id": "m1",
            "webhook-timestamp": "1764273600",
            "webhook-signature": webhooks.sign(secret, "m1", 1764273600, body),
        }
        assert names["genuine"](secret, headers, body)
        assert not names["genuine"](secret, headers, body + b" ")
