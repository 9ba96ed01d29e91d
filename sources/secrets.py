"""What looks like a secret has no place in a declaration: it stands in an Airflow Connection alone."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from core.declared import Place

_NAMED = re.compile(
    r"(^|[_\W])(password|passwd|pwd|passphrase|secret|client_?secret|private_?key|access_?key|access_?token|credential|口令|密码|密钥)s?($|[_\W])",
    re.I,
)
#: Names that a credential has in a request, wherever it is sent.
_SENT = re.compile(
    r"(^|[_\W])(api_?key|x_?api_?key|app_?key|app_?secret|access_?token|auth_?token|token|authorization|cookie|pass|auth_?code|sign_?key)($|[_\W])",
    re.I,
)
_NO_CREDENTIAL = re.compile(r"(page|next|cursor|continuation|resumption|sync)_?token", re.I)
_SENDING = {"params", "headers", "body", "parameters", "config"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WRITTEN = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "a private key"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/_=.-]{8,}"), "a header with credentials"),
    (re.compile(r"://[^/\s:@]+:[^/\s@{]+@"), "an address with a password"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"), "a token (JWT)"),
    (re.compile(r"\b(AKIA|ASIA|LTAI)[A-Za-z0-9]{12,}"), "an access key"),
)
_STANDS_FOR = re.compile(r"\{[a-z]+\}")  # what a connector puts in its place: {password}
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_BITS = 3.6  # a character of random hexadecimal has up to 4, of base64 up to 6; a name in words has fewer, or no digits
_REMEDY = "put it into the Airflow Connection and take it out of the file"


def find(data: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Places of a declaration that hold what looks like a secret, each with why."""
    if isinstance(data, dict):
        for name, value in data.items():
            if (
                isinstance(name, str)
                and (_NAMED.search(name) or (_SENDING & {*place} and _sent(name) and "{" not in str(value)))
                and isinstance(value, str | int)
                and value not in ("", True)
                and not _STANDS_FOR.fullmatch(str(value))
            ):
                yield (*place, name), f"looks like a secret: {_REMEDY}"
            else:
                yield from find(value, (*place, name))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from find(value, (*place, number))
    elif isinstance(data, str):
        why = next((what for pattern, what in _WRITTEN if pattern.search(data)), None)
        if why or any(_random(word) for word in _OPAQUE.findall(data)):
            yield place, f"looks like {why or 'a secret'}: {_REMEDY}"


def _sent(name: str) -> bool:
    """Whether a name of a request's constant is one of a credential."""
    plain = _CAMEL.sub("_", name).replace("-", "_")
    return _SENT.search(plain) is not None and _NO_CREDENTIAL.search(plain) is None


def _random(word: str) -> bool:
    """Whether a word without blanks is more like a key than like a name or a path."""
    if not (re.search(r"\d", word) and re.search(r"[A-Za-z]", word)):
        return False
    counts = Counter(word)
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
    parts = [part for part in re.split(r"[/_-]", word) if part]
    return entropy >= _BITS and max(map(len, parts)) >= 20
