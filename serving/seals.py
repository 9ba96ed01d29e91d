"""What makes the audit log provable against its own database: seals by a key kept elsewhere, and anchors outside.

========================  ======================================================================================
``ONEMAP_AUDIT_KEY``      the key, 32 characters or more; several hosts of one hub share it. Several, by comma: the first
                          seals, the others are older ones that still prove. Without it ``$ONEMAP_HOME/secrets/audit.key``
``$ONEMAP_HOME/audit/``   (by store) where the log ended when each process wrote last: one small file a process
archive                   ``journal/<store>/audit/<day>``: where the log ended that day; ``…/retired``: what was taken out
========================  ======================================================================================

An attacker needs the database, the key and every place of the anchors to go unseen. Whoever wants a witness that is not
the hub at all, keeps the line of ``onemap audit head`` (mail, notary, another authority) and verifies against it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import clock, settings
from core.errors import ConfigurationError, OneMapError
from core.redaction import hide
from store import archive, journal

_EVERY = 600  # seconds
_archived: dict[str, float] = {}
_FILES = 200  # processes whose last word is kept


@dataclass(frozen=True, slots=True)
class Upto:
    """Entries up to ``upto``; ``digest`` (hex) is that entry's."""

    upto: int
    digest: str


def _keys() -> list[bytes]:
    given = os.environ.get("ONEMAP_AUDIT_KEY")
    if given:
        return [one.strip().encode() for one in given.split(",") if one.strip()]
    return [_own(settings.home())]


@lru_cache(maxsize=8)
def _own(home: Path) -> bytes:
    """The key of the run folder, made at the first need: two processes at once get the same."""
    path = home / "secrets" / "audit.key"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".audit.key.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(beside, path)  # never over one that is there
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    key = path.read_text().strip()
    hide([key])
    return key.encode()


def key_id(key: bytes) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(b"onemap audit key id" + key).hexdigest()[:16]


def _mac(key: bytes, what: str, digest: bytes) -> bytes:
    return hmac.digest(key, f"onemap audit {what}:".encode() + digest, "sha256")


def seal(seq: int, digest: bytes) -> tuple[str, bytes]:
    """(id of the key, HMAC-SHA256) of an entry."""
    key = _keys()[0]
    if len(key) < 32:
        raise ConfigurationError(
            "ONEMAP_AUDIT_KEY is too short",
            remedy="32 characters or more",
            zh="ONEMAP_AUDIT_KEY 过短，至少 32 个字符。",
        )
    return key_id(key), _mac(key, str(seq), digest)


def holds(seq: int, digest: bytes, by: str, sealed: bytes) -> bool:
    """Whether a seal is of one of our keys and of that entry."""
    return any(key_id(key) == by and hmac.compare_digest(_mac(key, str(seq), digest), sealed) for key in _keys())


# -- anchors -----------------------------------------------------------------------------------------------------------


def anchor(store: str, seq: int, digest: bytes) -> None:
    """Note outside of the database where the log ends now; a disk that is full does not stop the log."""
    folder = settings.home() / "audit" / store
    line = f"{seq:020d}:{digest.hex()}:{_mac(_keys()[0], f'anchor {seq}', digest).hex()}\n".encode()
    try:
        path = folder / f"{os.uname().nodename}-{os.getpid()}"
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _forget_some(folder)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, line, 0)  # every line is as long: the new one stands for the old
        finally:
            os.close(descriptor)
    except OSError:
        pass
    _archive_anchor(store, seq, digest)


def _forget_some(folder: Path) -> None:
    """Keep the last words of the latest processes."""
    files = sorted(folder.iterdir(), key=lambda path: path.read_bytes()[:20], reverse=True)
    for path in files[_FILES:]:
        path.unlink(missing_ok=True)


def _archive_anchor(store: str, seq: int, digest: bytes) -> None:
    """The day's anchor in the archive, by each process every ten minutes at most."""
    now = time.monotonic()
    if now - _archived.get(store, -_EVERY) < _EVERY:
        return
    _archived[store] = now
    mac = _mac(_keys()[0], f"anchor {seq}", digest).hex()
    head = {"seq": seq, "digest": digest.hex(), "mac": mac}
    with contextlib.suppress(
        OneMapError, OSError
    ):  # the next one is written; the machine's health tells of the archive
        archive.write_document(f"journal/{store}/audit/{clock.today()}", head)


def anchors() -> list[str]:
    """Every anchor outside that carries our seal, ``<seq>:<digest>``: others may be anybody's."""
    found = []
    folder = settings.home() / "audit" / journal.own()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        seq, _, rest = path.read_text(errors="replace").strip().partition(":")
        digest, _, mac = rest.partition(":")
        found.append((seq, digest, mac))
    for name in archive.documents(f"journal/{journal.own()}/audit"):
        document = archive.read_document(name)
        if name.rpartition("/")[2] not in ("retired", "begin"):
            found.append((str(document["seq"]), document["digest"], document["mac"]))
    return [
        f"{int(seq)}:{digest}"
        for seq, digest, mac in found
        if seq.isdigit() and _ours(f"anchor {int(seq)}", digest, mac)
    ]


def _ours(what: str, digest: str, mac: str) -> bool:
    try:
        raw, head = bytes.fromhex(digest), bytes.fromhex(mac)
    except ValueError:
        return False
    return any(hmac.compare_digest(_mac(key, what, raw), head) for key in _keys())


def begin(store: str, seq: int, digest: str) -> None:
    """Seals begin after that entry."""
    mac = _mac(_keys()[0], f"begin {seq}", bytes.fromhex(digest)).hex()
    archive.write_document(f"journal/{store}/audit/begin", {"seq": seq, "digest": digest, "mac": mac})


def begun() -> Upto | None:
    """After which entry seals began, by our own word; None: with the first."""
    return _word("begin")


# -- the end of keeping ------------------------------------------------------------------------------------------------


def write_retired(upto: int, digest: str, entries: list[dict[str, Any]]) -> None:
    """Put entries into the archive and note, sealed, up to where they are gone."""
    lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    stored = archive.put(lines.encode())
    where = f"journal/{journal.own()}/audit/retired"
    parts = [*((archive.read_document(where) or {}).get("parts", [])), stored.sha256]
    mac = _mac(_keys()[0], f"retired {upto}", bytes.fromhex(digest)).hex()
    archive.write_document(where, {"seq": upto, "digest": digest, "mac": mac, "parts": parts})


def retired() -> Upto | None:
    """Up to where entries were taken out, by our own word; None: nothing was."""
    return _word("retired")


def _word(what: str) -> Upto | None:
    document = archive.read_document(f"journal/{journal.own()}/audit/{what}")
    if document is None or not _ours(f"{what} {document['seq']}", document["digest"], document["mac"]):
        return None
    return Upto(document["seq"], document["digest"])
