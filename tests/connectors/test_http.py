"""The shared HTTP transport against servers that misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.endpoint import Endpoint
from connectors.transports.breaker import Breaker
from connectors.transports.http import Again, Http, basic, retry_after
from connectors.transports.quota import rates
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    Fault,
    InternalError,
    OneMapError,
    ProviderError,
    TransientError,
)
from sources.options.base import HttpSettings
from tests.connectors.http_cases import FAST, endpoint, source
from tests.connectors.web import Reply, self_signed, web


def http(url: str, *, login: str = "", password: str = "", extra: dict | None = None, **options) -> Http:
    quota = options.pop("quota", None)
    timeout = options.pop("timeout", 5)
    sign = options.pop("sign", None)
    made = source("rest", quota=quota, timeout=timeout, http=FAST | options)
    return Http.of(made, endpoint(url, login, password, **(extra or {})), sign=sign)


def failing(*replies: Reply):
    """Those, one after the other; then a good one."""
    left = list(replies)
    return lambda asked: left.pop(0) if left else Reply({"ok": True})


def test_broken_answers_are_asked_for_again_until_one_is_whole():
    faults = failing(
        Reply(b"<html>502 Bad Gateway</html>", 502, {"Content-Type": "text/html"}),
        Reply({"ok": True}, cut=3),
        Reply({"msg": "busy"}, 500),
        Reply(status=429),
    )
    with web(faults) as server:
        answer = http(server.url).get("/x")
    assert answer.content == b'{"ok": true}'
    assert len(server.asked) == 5


def test_each_attempt_and_redirect_is_signed_anew():
    signed = []

    def sign(request):
        signed.append(len(signed))
        request.headers["X-Nonce"] = str(len(signed))

    def answer(asked):
        if asked.path == "/a":
            return Reply(status=307, headers={"Location": "/b"})
        return Reply(status=503) if len(signed) < 4 else Reply({"ok": True})

    with web(answer) as server:
        http(server.url, sign=sign).post("/a", json={"q": 1})
    nonces = [asked.headers["x-nonce"] for asked in server.asked]
    assert len(nonces) == len(set(nonces)) == 4
    assert [asked.body for asked in server.asked] == [b'{"q":1}'] * 4


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "GET"), (308, "POST")])
def test_redirects_on_the_same_host_are_followed(status, method):
    with web(
        lambda asked: Reply(status=status, headers={"Location": "/b?x=1"}) if asked.path == "/a" else Reply({})
    ) as server:
        assert http(server.url).send(method, "/a", data=b"q" if method == "POST" else None).url == f"{server.url}/b?x=1"
    assert server.asked[-1].method == method


@pytest.mark.parametrize(("status", "error"), [(301, ConfigurationError), (302, TransientError), (303, TransientError)])
def test_a_post_is_not_turned_into_a_get(status, error):
    """Moved for good is ours to follow; sent elsewhere for this once (a log-in page) is asked again."""
    with (
        web(lambda asked: Reply(status=status, headers={"Location": "/b"})) as server,
        pytest.raises(error, match="/b"),
    ):
        http(server.url).post("/a", json={})
    assert {asked.path for asked in server.asked} == {"/a"}
    assert (len(server.asked) == 1) == (error is ConfigurationError)


def test_another_host_is_refused_by_name_and_never_called():
    with web(lambda asked: Reply({})) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        for away in (other.url, elsewhere):
            with web(lambda asked, away=away: Reply(status=302, headers={"Location": f"{away}/x"})) as server:
                with pytest.raises(ConfigurationError) as refused:
                    http(server.url).get("/a")
                assert f"127.0.0.1:{server.port}" in refused.value.message
                assert str(other.port) in refused.value.message
                assert len(server.asked) == 1
    assert other.asked == []


@pytest.mark.parametrize(
    "link", ["http://[::1", "//[", "http://[::1]:x/", "http://gw:99999999/", "http://[gw]/?sig=s3cret"]
)
def test_a_link_that_is_no_address_is_the_providers_fault(link):
    """In a redirect and inside an answer alike; what may be signed does not stand in the message."""
    with web(lambda asked: Reply(status=302, headers={"Location": link})) as server:
        talking = http(server.url)
        with pytest.raises(ProviderError) as redirect:
            talking.get("/a?sig=s3cret")
        with pytest.raises(ProviderError) as named:
            talking.rebase(link, f"{server.url}/a?sig=s3cret")
    assert redirect.value.code == named.value.code == "bad_link" and len(server.asked) == 1
    assert "s3cret" not in str(redirect.value) + str(named.value)


def test_the_body_of_a_redirect_is_not_read():
    """A redirect's body is nobody's: however long it is, it costs nothing."""
    moved = Reply(b"x" * 5_000_000, 302, {"Location": "/b", "Content-Length": "99999999999"})
    with web(lambda asked: moved if asked.path == "/a" else Reply({"ok": True})) as server:
        assert http(server.url, read=5).get("/a").content == b'{"ok": true}'


def test_an_absolute_address_of_another_origin_is_refused():
    with pytest.raises(ConfigurationError, match="another host"):
        http("http://127.0.0.1:9/a").get("http://127.0.0.1:10/a")


@pytest.mark.parametrize(
    ("base", "current", "link", "wanted"),
    [
        ("https://gw/x", "https://gw/x/items", "?page=2", "https://gw/x/items?page=2"),
        ("https://gw/x", "https://gw/x/items", "/x/items?page=2", "https://gw/x/items?page=2"),
        ("https://gw/x", "https://gw/x/items", "https://gw:443/x/items?page=2", "https://gw:443/x/items?page=2"),
        ("https://gw/x", "https://gw/x/items", "http://inner:8080/items?page=2", "https://gw/x/items?page=2"),
        ("https://gw/x", "https://gw/x/items", "http://inner/x/items?page=2", "https://gw/x/items?page=2"),
        ("https://gw/x", "https://gw/x/items", "http://inner/page/2", "https://gw/x/page/2"),
        ("https://gw", "https://gw/items", "http://inner/page/2?a=b", "https://gw/page/2?a=b"),
    ],
)
def test_links_inside_answers_stay_on_the_connections_host(base, current, link, wanted):
    assert http(base).rebase(link, current) == wanted


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.OURS),
        (401, Fault.AUTHENTICATION),
        (403, Fault.AUTHENTICATION),
        (404, Fault.CONFIGURATION),
        (422, Fault.OURS),
    ],
)
def test_refusals_are_typed_and_not_repeated(status, fault):
    with web(lambda asked: Reply({"error": "no"}, status)) as server, pytest.raises(OneMapError) as raised:
        http(server.url).get("/x")
    assert raised.value.fault is fault
    assert raised.value.source == "t"
    assert len(server.asked) == 1


def test_a_source_that_is_down_is_transient_and_says_where():
    with web(lambda asked: Reply({})) as server:
        pass
    with pytest.raises(TransientError, match=f"refused: http://127.0.0.1:{server.port}"):
        http(server.url).get("/x")


def test_an_unknown_host_is_transient():
    with pytest.raises(TransientError, match="host name"):
        http("http://no-such-host.invalid").get("/x")


def test_retry_after_is_waited_for_and_a_longer_one_handed_on():
    waited = []
    with web(failing(Reply(status=429, headers={"Retry-After": "7"}))) as server:
        talk = http(server.url)
        talk.policy = replace(talk.policy, sleep=waited.append)
        talk.get("/x")
    assert waited == [7]
    with (
        web(lambda asked: Reply(status=429, headers={"Retry-After": "3600"})) as server,
        pytest.raises(TransientError) as late,
    ):
        http(server.url).get("/x")
    assert late.value.retry_after == 3600
    assert len(server.asked) == 1


def test_retry_after_may_be_a_date():
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    off = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:27:30 GMT"}
    assert retry_after(off) == 30, "by the server's clock, whatever ours says"
    assert retry_after({"Retry-After": "soon"}) is None


def test_an_answer_that_never_ends_is_given_up():
    with (
        web(lambda asked: Reply(b"x" * 1000, drip=0.05)) as server,
        pytest.raises(TransientError, match="not whole after"),
    ):
        http(server.url, answer=0.3, attempts=1).get("/x")


def test_silence_is_given_up():
    silent = threading.Event()
    try:
        with web(lambda asked: Reply({}) if silent.wait(3) else Reply({})) as server:
            with pytest.raises(TransientError, match="no bytes in time"):
                http(server.url, timeout=0.2, attempts=1).get("/x")
            silent.set()
    finally:
        silent.set()


def test_an_answer_too_large_is_refused(tmp_path):
    with web(lambda asked: Reply(b"x" * 5000)) as server:
        with pytest.raises(ProviderError, match="max_bytes"):
            http(server.url, max_bytes=1000).get("/x")
        with pytest.raises(ProviderError, match="max_file_bytes"):
            http(server.url, max_file_bytes=1000).get("/x", to=tmp_path / "x")
    assert len(server.asked) == 2


def test_a_download_goes_on_where_it_broke_off(tmp_path):
    whole = bytes(range(256)) * 400

    def answer(asked):
        start = int(asked.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": '"1"', "Content-Type": "application/zip"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        return Reply(whole[start:], 206 if start else 200, headers, cut=40_000 if start < 80_000 else None)

    with web(answer) as server:
        got = http(server.url).get("/x.zip", to=tmp_path / "x.zip", resume=True)
    assert got.content == whole
    ranges = [asked.headers.get("range") for asked in server.asked]
    assert ranges[0] is None and len(ranges) == 3 and all(ranges[1:])
    assert server.asked[1].headers["if-range"] == '"1"'


def test_a_file_that_changed_meanwhile_starts_anew(tmp_path):
    def answer(asked):
        if len(server.asked) == 1:
            return Reply(b"old" * 10, headers={"ETag": '"1"'}, cut=9)
        if "range" in asked.headers:
            return Reply(b"w" * 5, 206, {"ETag": '"2"', "Content-Range": "bytes 9-13/14"})
        return Reply(b"new content", headers={"ETag": '"2"'})

    with web(answer) as server:
        assert http(server.url).get("/x", to=tmp_path / "x", resume=True).content == b"new content"


def test_a_range_past_the_end_of_a_whole_file_is_its_end(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    with web(lambda asked: Reply(b"", 416, {"Content-Range": "bytes */5"})) as server:
        assert http(server.url).get("/x", to=tmp_path / "x", resume=True).content == b"12345"


def test_renewed_credentials_get_one_more_try():
    def classify(answer):
        if answer.status == 401:
            raise Again(AuthenticationError("expired"))

    with web(failing(Reply(status=401))) as server:
        http(server.url).get("/x", classify=classify)
        assert len(server.asked) == 2
    with web(lambda asked: Reply(status=401)) as server, pytest.raises(AuthenticationError, match="expired"):
        http(server.url).get("/x", classify=classify)
    assert len(server.asked) == 2


def test_windows_are_percent_encoded():
    with web(lambda asked: Reply({})) as server:
        answer = http(server.url).get("/x", params={"since": "2026-01-01 00:00:00", "none": None})
    assert answer.url.endswith("/x?since=2026-01-01%2000%3A00%3A00")
    assert server.asked[0].query == {"since": "2026-01-01 00:00:00"}


def test_basic_credentials_are_sent_and_hidden():
    from core.redaction import redact

    with web(lambda asked: Reply({})) as server:
        talk = http(
            server.url, login="user", password="a-password", sign=basic(endpoint("http://x", "user", "a-password"))
        )
        talk.get("/x")
    assert server.asked[0].headers["authorization"] == "Basic dXNlcjphLXBhc3N3b3Jk"
    assert redact("Basic dXNlcjphLXBhc3N3b3Jk") == "Basic ***"
    assert basic(endpoint("http://x")) is None


def test_loopback_never_goes_through_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with web(lambda asked: Reply({})) as server:
        assert http(server.url).get("/x").status == 200


def test_a_base_url_is_found_however_the_connection_was_written():
    written = [
        Endpoint("t", "http", "http://h:81/base/"),
        Endpoint("t", "http", "h/base", 81, schema="http"),
        Endpoint("t", "http", "h", 81, schema="base"),  # as Airflow reads http://h:81/base
    ]
    assert {endpoint.base for endpoint in written} == {"http://h:81/base"}
    assert (
        Endpoint("t", "https", "h", schema="a/b").base
        == Endpoint("t", "http", "h/a/b", schema="https").base
        == "https://h/a/b"
    )


@pytest.mark.parametrize("host", ["ftp://x", "http://user:secret@x", "http://", "http://x/?a=b"])
def test_a_host_that_is_no_base_url_is_refused(host):
    with pytest.raises(ConfigurationError) as refused:
        http(host)
    assert "secret" not in str(refused.value)


def test_verification_cannot_be_turned_off():
    for given in (False, "false", "/no/such/file"):
        with pytest.raises(ConfigurationError, match="verify"):
            http("https://x", extra={"verify": given})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_a_bad_certificate_is_told_and_not_retried_and_its_ca_file_helps(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with web(lambda asked: Reply({}), tls=context) as server:
        with pytest.raises(AuthenticationError, match="certificate .*verify") as raised:
            http(server.url).get("/x")
        assert "verify" in raised.value.remedy
        assert server.asked == []
        assert http(server.url, extra={"verify": str(certificate / "cert.pem")}).get("/x").status == 200
        with pytest.raises((ConfigurationError, TransientError)):
            http(server.url.replace("https", "http"), attempts=1).get("/x")
    with web(lambda asked: Reply({})) as plain, pytest.raises(ConfigurationError, match="TLS"):
        http(plain.url.replace("http", "https")).get("/x")


def test_a_quota_is_kept_over_connectors_of_the_same_source():
    with web(lambda asked: Reply({})) as server:
        http(server.url, quota="2/hour").get("/x")
        http(server.url, quota="2/hour").get("/x")
        with pytest.raises(TransientError, match="quota") as full:
            http(server.url, quota="2/hour", total=0.1).get("/x")
    assert full.value.retry_after
    assert len(server.asked) == 2


@pytest.mark.parametrize("quota", ["1000", "x/hour", "0/hour", "10/fortnight"])
def test_a_quota_that_is_none_is_refused(quota):
    with pytest.raises(ConfigurationError):
        rates(quota)


def test_rates_are_read():
    assert [(rate.limit, rate.interval) for rate in rates("1000/hour; 5/second")] == [(5, 1000), (1000, 3_600_000)]


class Clock:
    """A wall clock and a sleep that moves it."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_the_breaker_opens_probes_and_closes():
    clock = Clock()
    breaker = Breaker("x", threshold=3, cooldown=10, patience=15, sleep=clock.sleep, wall=lambda: clock.now)
    for _ in range(3):
        assert breaker.enter()
        breaker.failed()
    assert breaker.enter() is False, "a probe: one attempt"
    assert clock.slept == [10]
    breaker.failed()
    with pytest.raises(TransientError) as refused:
        breaker.enter()
    assert refused.value.retry_after == 20
    clock.now += 20
    assert breaker.enter() is False
    breaker.succeeded()
    assert breaker.enter() is True


def test_an_open_breaker_makes_one_attempt_and_refusals_do_not_open_it():
    with web(lambda asked: Reply(status=503)) as server:
        talk = http(server.url, attempts=2)
        talk.breaker = Breaker("y", threshold=2, cooldown=0.01)
        for _ in range(3):
            with pytest.raises(TransientError):
                talk.get("/x")
    assert len(server.asked) == 2 + 2 + 1
    with web(lambda asked: Reply(status=400)) as server:
        talk = http(server.url)
        for _ in range(8):
            with pytest.raises(InternalError):
                talk.get("/x")
    assert talk.breaker.state.failures == 0


def test_unknown_settings_are_told():
    with pytest.raises(ConfigurationError, match="atempts"):
        http("http://x", atempts=3)


def test_total_time_is_bounded():
    begun = time.monotonic()
    with web(lambda asked: Reply(status=503)) as server, pytest.raises(TransientError):
        http(server.url, first=0.2, longest=10, total=0.5, attempts=50).get("/x")
    assert time.monotonic() - begun < 3


def test_a_receiver_that_is_no_source_is_talked_to_by_the_same_rules(certificate):
    """Webhooks, lineage, work orders and notices have an endpoint and settings, and no declaration."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    once = HttpSettings(attempts=1)
    with web(
        lambda asked: Reply(status=307, headers={"Location": "https://elsewhere.example/x"}), tls=context
    ) as server:
        with pytest.raises(AuthenticationError, match="certificate"):
            Http(endpoint(server.url), "receiver", once).post("/x", json={})
        known = endpoint(server.url, verify=str(certificate / "cert.pem"))
        with pytest.raises(ConfigurationError, match="another host") as raised:
            Http(known, "receiver", once).post("/x", json={})
    assert raised.value.source == "receiver"
    with web(lambda asked: Reply(status=503)) as server:
        unguarded = Http(endpoint(server.url), "receiver", once, guarded=False)
        for _ in range(7):  # whose waiting is kept elsewhere: no breaker refuses a call unasked
            with pytest.raises(TransientError, match="503"):
                unguarded.post("/x", json={})
        assert len(server.asked) == 7


@pytest.mark.parametrize(
    "parts",
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["provisional answers", "trailers", "chunks"],
)
def test_lines_without_an_end_are_given_up(parts):
    """Libraries read them in loops that never look at the clock."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with suppress(OSError):
                while True:
                    with server.accept()[0] as client:
                        client.recv(1 << 16)
                        client.sendall(parts[0])
                        while True:
                            client.sendall(parts[1] * 100)

        threading.Thread(target=serve, daemon=True).start()
        asked = Http(
            Endpoint("c", "http", f"http://127.0.0.1:{server.getsockname()[1]}"),
            "t",
            HttpSettings(attempts=1, answer=1),
        )
        with pytest.raises(TransientError):
            asked.get("/a")


def test_an_answer_of_two_lengths_is_no_fault_of_our_configuration():
    with web(lambda asked: Reply(b"xy", headers={"content-length": "1", "Content-Length": "2"})) as server:
        asked = Http(Endpoint("c", "http", server.url), "t", HttpSettings(attempts=1))
        try:
            asked.get("/a")
        except OneMapError as error:
            assert error.fault is not Fault.CONFIGURATION
