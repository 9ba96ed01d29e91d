"""Numbers of persons leave no trace in logs and errors; numbers of projects do; files on their way go with their process."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from core import redaction, scratch
from core.logging import guard


@pytest.mark.parametrize(
    "secret",
    [
        "440102198001010017",
        "44010219800101001X",
        "440102800101001",
        "13800138000",
        "138-0013-8000",
        "138 0013 8000",
        "+86 13800138000",
        "8613800138000",
        "0769-22223333",
        "0769-22223333-801",
        "0769 22223333",
        "076922223333",
        "(0769)22223333",
        "440102 19800101 0017",
        "440102-19800101-001X",
        "４４０１０２１９８００１０１００１７",
        "１３８００１３８０００",
        "138.0013.8000",
        "138 001 38000",
        "0086 13800138000",
        "6222021234567890123",
        "6222 0212 3456 7890 123",
        "zhang.san@example.com.cn",
    ],
)
def test_a_number_of_a_person_is_masked_wherever_it_stands(secret):
    for text in (
        secret,
        f"联系人张三，电话{secret}。",
        f"({secret})",
        f"a={secret};b=1",
        f"张三-{secret}",
        f"Tel{secret}",
    ):
        assert secret not in redaction.depersonalise(text), text


@pytest.mark.parametrize(
    "text",
    [
        "2503-441900-04-02-001382",
        "91441900MA0000015D",
        "44192503260001001",
        "441900119",
        "1.2.840.113619",
        "C3973",
        "2026-11-27",
        "2026-11-27 10:13:58.123456",
        "1f13800138000c",
        "6f1c2a00-13800138000-4e",
        "113.751234567,23.0412345678",
        "粤（2026）东莞不动产权第0012345号",
        "许可证号 441900202600123",
    ],
)
def test_a_number_of_a_project_stays(text):
    assert redaction.depersonalise(f"项目 {text} 已办结") == f"项目 {text} 已办结"


@pytest.mark.parametrize(
    "text",
    [
        "护照号E12345678",
        "持H123456(7)入境",
        "证件号码：C1234567",
        "身份证 44010219800101",
        "港澳通行证号：C12345678",
        "身份证号为4401021980",
    ],
)
def test_what_stands_behind_the_word_for_a_document_of_a_person_is_masked(text):
    masked = redaction.depersonalise(text)
    assert masked != text and len(masked) == len(text) and "*" in masked


@given(st.one_of(st.text(max_size=80), st.text("0123456789０１ -+.@Xx()证件号tel张", max_size=60)))
def test_masking_twice_is_masking_once(text):
    once = redaction.depersonalise(text)
    assert redaction.depersonalise(once) == once and len(once) == len(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a", "1", "a.", "1-", "a@", "a@b.", "62", "证件号a", "138 ", "0f1"])
def test_a_long_text_is_read_once(piece):
    text = piece * (1_000_000 // len(piece))
    assert len(redaction.depersonalise(text)) == len(text)


def test_a_number_in_a_mail_address_shows_nothing_of_the_rest():
    for text in ("13812345678.li@corp.com", "138 1234 5678.li@corp.com", "13812345678@corp.com"):
        masked = redaction.depersonalise(text)
        assert "li@" not in masked and "corp" not in masked and "1234" not in masked, masked


def test_no_value_of_a_row_stands_in_a_traceback(caplog):
    handler = logging.StreamHandler(stream := __import__("io").StringIO())
    log = logging.getLogger("probe")
    log.addHandler(handler)
    guard()
    try:
        raise ValueError(
            'duplicate key\nDETAIL:  Key (name, phone)=(张三, 13800138000) already exists.\nCONTEXT:  COPY case, line 3: "张三"'
        )
    except ValueError:
        log.exception("row of %s", "13900139000")
    told = stream.getvalue()
    log.removeHandler(handler)
    assert "duplicate key" in told and "Traceback" in told
    assert "张三" not in told and "13800138000" not in told and "13900139000" not in told


def test_an_error_of_the_database_names_no_parameters(database, monkeypatch):
    from store.engine import dispose, transaction

    monkeypatch.setenv("ONEMAP_DATABASE_URL", database)
    with pytest.raises(sa.exc.DBAPIError) as told, transaction() as connection:
        connection.execute(sa.text("select 1 / 0 where :name is not null"), {"name": "张三"})
    dispose()
    assert "张三" not in str(told.value)


def test_a_folder_on_the_way_is_ours_alone_and_goes_with_its_process(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    with scratch.Folder() as folder:
        assert folder.startswith(str(tmp_path)) and Path(folder).stat().st_mode & 0o077 == 0
    assert not os.path.exists(folder)  # noqa: PTH110
    code = "from core import scratch; import time; f = scratch.Folder(); print(f.name, flush=True); time.sleep(60)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}
    )
    left = child.stdout.readline().strip()
    assert scratch.sweep() == 0 and os.path.isdir(left), "its process is at work"  # noqa: PTH112
    child.send_signal(signal.SIGKILL)
    child.wait()
    until = time.monotonic() + 10
    while scratch.sweep() == 0 and time.monotonic() < until:
        time.sleep(0.1)
    assert not os.path.exists(left)  # noqa: PTH110
