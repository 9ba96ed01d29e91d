"""TLS of API and pages: a certificate that is given, or one of our own for a start.

Our own is for this machine, for a year, kept in ``secrets/``; who trusts ``secrets/tls.crt`` verifies it. In production the city's
certificate stands on the proxy before the hub, or is given here.
"""

from __future__ import annotations

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.stack.layout import Layout, write_private
from core.errors import ConfigurationError

_LIFE, _BEFORE = timedelta(days=365), timedelta(days=30)


def options(own: bool, certificate: Path | None, key: Path | None, names: list[str]) -> dict[str, Any]:
    """What uvicorn takes; empty: no TLS. :raises ConfigurationError: a certificate without its key, or not there."""
    if certificate is None and key is None:
        if not own:
            return {}
        certificate, key = _own(Layout.here(), names)
    if certificate is None or key is None or not certificate.is_file() or not key.is_file():
        raise ConfigurationError(
            "a certificate and its key are two files that are there",
            remedy="--certificate FILE --key FILE, both PEM",
            zh="请同时给出存在的证书与私钥文件（PEM）：--certificate、--key。",
        )
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}


def _own(layout: Layout, names: list[str]) -> tuple[Path, Path]:
    """Certificate and key of the run folder, made anew when they are near their end or lack a name."""
    layout.make()
    certificate, key = layout.secrets / "tls.crt", layout.secrets / "tls.key"
    wanted = sorted({"localhost", "127.0.0.1", "::1", socket.gethostname(), *names})
    if certificate.is_file() and key.is_file():
        there = x509.load_pem_x509_certificate(certificate.read_bytes())
        text = there.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if there.not_valid_after_utc - datetime.now(UTC) > _BEFORE and list(text) == _names(wanted):
            return certificate, key
    built = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OneMap hub")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(built.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(_names(wanted)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(built, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = built.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(key, private.decode())
    write_private(certificate, signed.public_bytes(pem).decode())
    return certificate, key


def _names(wanted: list[str]) -> list[x509.GeneralName]:
    built: list[x509.GeneralName] = []
    for name in wanted:
        try:
            built.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            built.append(x509.DNSName(name))
    return built
