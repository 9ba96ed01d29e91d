"""Whose a Connection is: the stand-ins' own while nobody has touched it, a person's from then on."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.stack.hub import Hub
from cli.stack.layout import Layout
from cli.stack.metadata import SEAL


@pytest.fixture
def hub(database: str, tmp_path: Path) -> Hub:
    """A hub whose metadata database has the columns of Airflow's table that decide."""
    hub = Hub(Layout(tmp_path), metadata_url=database)
    say(
        hub,
        """create table connection (conn_id text primary key, conn_type text, description text, host text, login text,
                                    schema text, port integer, password text, extra text)""",
    )
    return hub


def say(hub: Hub, statement: str) -> None:
    engine = sa.create_engine(hub.metadata_url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def write_ours(hub: Hub, conn_id: str) -> None:
    say(
        hub,
        f"insert into connection (conn_id, conn_type, host, password) values ('{conn_id}', 'http', 'http://x', 'gAAA')",
    )
    say(hub, f"update connection set description = {SEAL} where conn_id = '{conn_id}'")


def test_what_nobody_gave_is_missing_and_ours_of_an_earlier_start_is_written_again(hub):
    write_ours(hub, "m_api")
    assert hub.missing_connections({"m_api", "d_land"}) == {"m_api", "d_land"}


def test_one_that_a_person_made_needs_no_stand_in(hub):
    say(hub, "insert into connection (conn_id, conn_type, host) values ('d_land', 'http', 'https://land.example')")
    assert hub.missing_connections({"m_api", "d_land"}) == {"m_api"}


@pytest.mark.parametrize(
    "edit", ["password = 'gBBB'", "host = 'https://real.example'", "extra = '{}'", "description = 'mine'"]
)
def test_one_of_ours_that_a_person_edited_is_theirs(hub, edit):
    write_ours(hub, "m_api")
    say(hub, f"update connection set {edit}")
    assert hub.missing_connections({"m_api"}) == set()


def test_one_in_the_environment_needs_no_stand_in(hub, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_M_API", "http://real.example")
    assert hub.missing_connections({"m_api"}) == set()
