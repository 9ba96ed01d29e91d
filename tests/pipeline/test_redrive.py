"""Rejected rows wait with every reason, come through after a mend, and give way to a later good version."""

import pytest

from core.errors import ConfigurationError, InternalError, ProviderError, TransientError
from mappings import compiler
from pipeline import check, redrive, registry, remap
from store import hash as store_hash
from store import quarantine
from tests.pipeline.rows import case, project, rows, run, scalar, sheet, window

ANY = window(None, None)


@pytest.fixture
def remapped(monkeypatch, tmp_path):
    """Change a feed's mapping by replacing text in its YAML."""

    def change(feed: str, *pairs: tuple[str, str]) -> None:
        source, _, name = feed.partition(".")
        text = (compiler.FOLDER / source / f"{name}.yaml").read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / source / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        made = compiler.read(path)
        true = registry.mapping
        monkeypatch.setattr(registry, "mapping", lambda of: made if of.id == feed else true(of))

    return change


def good(count=20, start=100):
    return [case(n) for n in range(start, start + count)]


def test_the_same_bad_row_again_is_one_entry(world):
    world["m2.sb"].pages = [[*good(), case(1, SBSJ="nie")]]
    for _ in range(3):
        assert run("m2.sb", ANY).counts.quarantined == 1
    (entry,) = rows("select * from landing.quarantine")
    assert (entry["seen"], entry["state"]) == (3, "open")


def test_a_later_good_version_closes_the_entry(world):
    world["m2.sb"].pages = [[*good(), case(1, SBSJ="nie")]]
    run("m2.sb", ANY)
    world["m2.sb"].pages = [[case(1)]]
    run("m2.sb", ANY)
    (entry,) = rows("select * from landing.quarantine")
    assert entry["state"] == "superseded" and entry["closed_at"] is not None


def test_a_good_version_of_another_record_or_an_earlier_receipt_closes_nothing(world):
    world["m2.sb"].pages = [[*good(), case(1)], [case(1, SBSJ="nie")]]
    run("m2.sb", ANY)
    assert scalar("select state from landing.quarantine") == "open"
    assert redrive.run("m2.sb")[0].counts.quarantined == 1


def test_driven_again_without_a_mend_it_stays(world):
    world["m2.sb"].pages = [[*good(), case(1, SBSJ="nie")]]
    run("m2.sb", ANY)
    (outcome,) = redrive.run()
    assert outcome.counts.quarantined == 1 and outcome.counts.balanced and outcome.outcome == "ok"
    assert scalar("select state from landing.quarantine") == "open"
    assert scalar("select count(*) from landing.completed") == 1


def test_after_a_mend_of_the_mapping_it_passes_and_is_closed(world, remapped):
    world["m2.sb"].pages = [[*good(), case(1, SBSJ="nie"), case(2, SBSJ="nie", VERSION="drei")]]
    world["m2.sb"].state = {"at": 1}
    assert run("m2.sb", ANY).counts.quarantined == 2
    remapped(
        "m2.sb",
        ("submitted_at: SBSJ", "submitted_at: {from: SBSJ, unreadable: issue}"),
        ("at: SBSJ", "at: {from: SBSJ, unreadable: issue}"),
    )
    (outcome,) = redrive.run("m2.sb")
    assert (outcome.counts.rows_in, outcome.counts.new, outcome.counts.quarantined) == (2, 1, 1)
    states = {row["record_key"]: row["state"] for row in rows("select record_key, state from landing.quarantine")}
    assert states["441900000001|1"] == "redriven" and sorted(states.values()) == ["open", "redriven"]
    assert scalar("select count(*) from source.case where case_no = '441900000001'") == 1
    assert scalar("select state::text from landing.feed_state") == '{"at": 1}'
    first = scalar("select min(id) from landing.receipt")
    assert scalar("select receipt_id from source.record where record_key = '441900000001|1'") == first


def test_what_did_not_decode_is_decoded_again_from_the_archive(world, monkeypatch):
    world["m2.sb"].pages = [[*good(), {"_broken": "\ufffd", "_key": "441900000001|1"}]]
    run("m2.sb", ANY)
    from tests.pipeline import fake

    true = fake.FakeConnector.decode

    def mended(self, feed, payload):
        payload.body = payload.body.replace(b'{"_broken": "\xef\xbf\xbd", "_key": "441900000001|1"}', _encoded(case(1)))
        return true(self, feed, payload)

    monkeypatch.setattr(fake.FakeConnector, "decode", mended)
    (outcome,) = redrive.run("m2.sb")
    assert (outcome.counts.new, outcome.counts.unchanged) == (1, 20)
    assert scalar("select state from landing.quarantine") == "redriven"


def _encoded(row):
    import json

    return json.dumps(row, ensure_ascii=False).encode()


def test_a_dismissed_row_does_not_come_up_again(world):
    world["m2.sb"].pages = [[*good(), case(1, SBSJ="nie")]]
    run("m2.sb", ANY)
    with pytest.raises(ConfigurationError):
        quarantine.dismiss([1], "operator", " ")
    assert quarantine.dismiss([scalar("select id from landing.quarantine")], "operator", "test data") == 1
    run("m2.sb", ANY)
    (entry,) = rows("select * from landing.quarantine")
    assert (entry["state"], entry["closed_by"], entry["seen"]) == ("dismissed", "operator", 2)
    assert redrive.run() == []


def test_an_entry_of_a_part_that_was_sent_again_is_not_driven(world):
    world["d4.cases"].scopes = ["HB_1"]
    world["d4.cases"].pages = [[*map(sheet, range(2, 30)), sheet(1, SLSJ="nie")]]
    run("d4.cases", ANY)
    world["d4.cases"].pages = [[*map(sheet, range(2, 30))]]
    run("d4.cases", ANY)
    assert redrive.run("d4.cases") == []
    assert scalar("select state from landing.quarantine") == "superseded"


# -- a changed mapping


def test_a_changed_mapping_is_told_first_and_applied_when_asked(world, remapped):
    world["d2.projects"].pages = [[project(1), project(2)], [project(3, place="")]]
    run("d2.projects")
    remapped("d2.projects", ("version: 1", "version: 2"), ("place: place", "scope: place"))
    before = store_hash.of_sources()
    diff = remap.run("d2.projects")
    assert (diff.records, diff.new, diff.changed, diff.gone, diff.applied) == (3, 0, 2, 0, False)
    assert (diff.mapping_version, diff.reread, diff.kept) == (2, 2, 0) and len(diff.sample) == 2
    assert store_hash.of_sources() == before
    dirty = scalar("select count(*) from store.dirty")
    assert remap.run("d2.projects", apply=True).changed == 2
    assert {(row["place"], row["scope"]) for row in rows("select place, scope from source.project")} == {
        (None, "南城街道"),
        (None, None),
    }
    assert {row["mapping_version"] for row in rows("select mapping_version from source.record")} == {2}
    assert scalar("select count(*) from store.dirty") == dirty + 2
    assert remap.run("d2.projects").changed == 0


def test_a_changed_time_gives_the_store_that_the_new_mapping_would_have_made(world, remapped):
    pages = [
        [case(n, SBSJ="2026-02-01 09:00:00", SBXMMC="先", INSERTTIME="2026-03-01 08:00:00") for n in range(3)],
        [case(n, SBSJ="2026-01-01 09:00:00", SBXMMC="后", INSERTTIME="2026-03-02 08:00:00") for n in range(3)],
    ]
    world["m2.sb"].pages = pages
    run("m2.sb", ANY)
    remapped("m2.sb", ("version: 1", "version: 2"), ("time: INSERTTIME", "time: SBSJ"))
    assert remap.run("m2.sb", apply=True).changed == 3
    assert {row["project_name"] for row in rows("select project_name from source.case")} == {"先"}
    moved = store_hash.of_sources()
    from tests.pipeline.test_versions import empty

    empty()
    run("m2.sb", ANY)
    assert store_hash.of_sources() == moved


def test_a_changed_key_makes_new_records_and_takes_the_old_ones_away(world, remapped):
    world["m2.sb"].pages = [[case(n) for n in range(3)]]
    run("m2.sb", ANY)
    remapped(
        "m2.sb", ("version: 1", "version: 2"), ("key: [SBLSH_SHORT, {from: VERSION, as: int}]", "key: [SBLSH_SHORT]")
    )
    diff = remap.run("m2.sb", apply=True)
    assert (diff.new, diff.gone) == (3, 3)
    assert scalar("select count(*) from source.case") == 3
    assert {row["record_key"] for row in rows("select record_key from source.record where tombstoned_at is null")} == {
        f"4419{n:08d}" for n in range(3)
    }


def test_where_the_payload_is_gone_the_stored_rows_are_mapped(world, remapped, hub):
    from store import archive

    world["d2.projects"].pages = [[project(1), project(2)]]
    run("d2.projects")
    (receipt,) = rows("select id, sha256 from landing.receipt")
    archive.drop(receipt["sha256"])
    from store.engine import transaction

    with transaction() as connection:
        connection.exec_driver_sql("update landing.receipt set dropped_at = now()")
    remapped("d2.projects", ("version: 1", "version: 2"), ("place: place", "scope: place"))
    diff = remap.run("d2.projects", apply=True)
    assert (diff.changed, diff.reread, diff.kept) == (2, 0, 1)
    assert scalar("select count(*) from source.project where scope = '南城街道'") == 2


def test_what_a_changed_mapping_rejects_goes_to_quarantine_and_what_it_accepts_is_closed(world, remapped):
    world["m2.sb"].pages = [[*good(), case(1, SBSJ="nie")]]
    run("m2.sb", ANY)
    remapped(
        "m2.sb",
        ("submitted_at: SBSJ", "submitted_at: {from: SBSJ, unreadable: issue}"),
        ("at: SBSJ", "at: {from: SBSJ, unreadable: issue}"),
    )
    diff = remap.run("m2.sb", apply=True)
    assert (diff.new, diff.rejected) == (1, 0)
    assert scalar("select state from landing.quarantine") == "redriven"


@pytest.mark.parametrize("kind", [ConfigurationError, TransientError, ProviderError, InternalError])
def test_a_remap_that_fails_says_whose_fault_it_is(world, monkeypatch, kind):
    world["d2.projects"].pages = [[project(1)]]
    run("d2.projects")

    def struck(*_):
        raise kind("struck", remedy="look", zh="中断")

    monkeypatch.setattr(check, "run", struck)
    with pytest.raises(kind) as failed:
        remap.run("d2.projects", apply=True)
    assert type(failed.value) is kind and failed.value.zh == "中断"
    (last,) = rows("select fault, outcome from landing.run order by id desc limit 1")
    assert last == {"fault": kind("x").fault.value, "outcome": "failed"}
