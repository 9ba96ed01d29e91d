"""A generated world, served: what clients read is what the world's own counts say, before and after time moves."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from standins.testing import Running, running
from standins.world import advance, make
from tests.standins.test_gateway import files, page, post
from tests.standins.test_municipal import get, token
from tests.standins.test_soap import answer, approvals
from tests.standins.test_space import changes, features
from tests.standins.test_tables import engine_of, scalar

TODAY = datetime(2026, 11, 24, 8)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("generated") / "world", projects=24, seed=3, today=TODAY)


def counts(world: Path) -> dict[str, dict[str, int]]:
    return {
        row["feed"]: row for row in map(json.loads, (world / "truth" / "counts.jsonl").read_text("utf-8").splitlines())
    }


def read(stand: Running, end: str) -> dict[str, int]:
    """feed -> records (tables: lines) that a client finds."""
    found = {
        f"p1.{service}": int(page(post(stand, f"{service}/query", updatedTo=end))["totalRow"])
        for service in ("project_filing", "enterprise", "licence")
    }
    assert len(files(stand)) >= 1
    bearer, cursor, items = token(stand), None, 0
    while True:
        data = get(stand, "items", bearer, **({"cursor": cursor} if cursor else {})).json()
        items, cursor = items + len(data["data"]), data["next_cursor"]
        if cursor is None:
            break
    found["m1.items"] = items
    found["d1.cases"] = int(answer(approvals(stand).queryCases("2020-01-01 00:00:00", end, 1, 1)).get("total"))
    found["s1.parcel"] = int(features(stand, "parcel", count=1).get("numberMatched"))
    found["s2.change"] = len(changes(stand, limit=1000)[0])
    found |= {
        f"m2.{t.lower()}": scalar(engine_of(stand, "m_tables"), f"select count(*) from ex_gdbs_{t}")
        for t in ("sb", "sl", "bj", "spcl")
    }
    found["p3.process"] = scalar(engine_of(stand, "p_tables"), "select count(*) from up_pro_process")
    found["d3.log"] = scalar(engine_of(stand, "d_housing"), "select count(*) from spgl_xmspsxblxxxxb")
    return found


def test_clients_find_what_the_world_counts_and_what_is_added(told: Path, postgres_server: str) -> None:
    with running(told, postgres_server.format(database="postgres"), at=TODAY) as stand:
        for _ in range(2):
            said = counts(told)
            found = read(stand, "2027-12-31 00:00:00")
            logs = {feed for feed in found if feed[:2] in ("m2", "p3")}
            assert found == {feed: said[feed]["lines" if feed in logs else "records"] for feed in found}
            advance(told, 7)
            stand.move_clock(days=7)
        served = json.loads((stand.ctx.home / "served.json").read_text())
        assert served["revision"] == 3 and served["clock"] >= "2026-12-08 08:00:00"
        with sa.create_engine(
            sa.make_url(stand.connection("m_tables")["extra"]["url"]).set(username="postgres")
        ).connect() as own:
            assert own.execute(sa.text("select count(*) from standin.pending")).scalar() == 0
