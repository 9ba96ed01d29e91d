"""API and pages by TLS: a certificate of our own that verifies, kept as long as it lasts, or one that is given."""

import socket
import ssl
import stat
import threading

import pytest

from cli.stack import tls
from core.errors import ConfigurationError


def test_our_own_certificate_verifies_for_its_names_and_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    made = tls.options(True, None, None, ["hub.dg.example"])
    assert stat.S_IMODE((tmp_path / "secrets" / "tls.key").stat().st_mode) == 0o600
    assert tls.options(True, None, None, ["hub.dg.example"]) == made
    before = (tmp_path / "secrets" / "tls.crt").read_text()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(made["ssl_certfile"], made["ssl_keyfile"])
    for name, right in (("hub.dg.example", True), ("localhost", True), ("evil.example", False)):
        near, far = socket.socketpair()
        thread = threading.Thread(target=lambda side=far: _serve(server, side))
        thread.start()
        client = ssl.create_default_context(cafile=made["ssl_certfile"])
        try:
            client.wrap_socket(near, server_hostname=name).close()
            assert right, name
        except ssl.SSLCertVerificationError:
            assert not right, name
            near.close()
        thread.join(10)
    tls.options(True, None, None, ["another.example"])
    assert (tmp_path / "secrets" / "tls.crt").read_text() != before


def _serve(context: ssl.SSLContext, side: socket.socket) -> None:
    try:
        context.wrap_socket(side, server_side=True).close()
    except OSError:
        side.close()


def test_a_given_certificate_comes_with_its_key(tmp_path):
    assert tls.options(False, None, None, []) == {}
    (tmp_path / "c.pem").write_text("x")
    with pytest.raises(ConfigurationError, match="two files"):
        tls.options(False, tmp_path / "c.pem", None, [])
