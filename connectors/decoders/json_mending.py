"""JSON that a strict parser refuses → JSON, with what is wrong kept to the record that has it.

Only pages that were refused come here. First the tokens: a raw line break or tab in a string, a backslash before a
character that it does not escape, a bare word in place of a value (``NaN``, ``None``, ``01``): each is written so that
the value reads as it stands. Where the structure is broken too (a quote or a bracket that is missing, too deep a
nesting), the list of records is cut at its records, and each that is no JSON stands as a string, for the caller to
reject alone. A page that ends too early stays refused: it was cut, and is asked for again.

Work is linear in the page.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import msgspec

from connectors.limits import Limits

DAMAGED = "\ufdd0"  # a noncharacter: begins the string that stands for a record that is no JSON
_TOKEN = re.compile(rb'[\s]++|[{}\[\]:,]|"(?:[^"\\]++|\\.)*+"|[^\s{}\[\]:,"]++|"', re.S)
_LITERAL = re.compile(rb"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?|true|false|null")
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPE = re.compile(rb'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|)', re.S)
_NEXT = re.compile(rb'[}\]"\w]\s*+,\s*+(?=\{\s*+")')
_END = re.compile(rb"\]")
_NAME = re.compile(rb'\{\s*+("(?:[^"\\]++|\\.)*+")\s*+:', re.S)
_SPACE = re.compile(rb"\s*+")
_TRIES = 64  # places at which a record or the list may go on after a broken one
_WORK = 16  # times the page's length that may be looked at
_any = msgspec.json.Decoder(msgspec.Raw)


@dataclass(slots=True)
class Mended:
    """``body``: JSON. ``tokens``: how many were written anew; ``first``: where the first stood, and it; ``records``:
    how many stand as strings.
    """

    body: bytes
    tokens: int = 0
    first: str = ""
    records: int = 0


def is_sound(body: bytes) -> bool:
    """Whether it is JSON as the strict parser has it."""
    try:
        _any.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def standing(record: bytes) -> bytes:
    """The string that stands for a record that is no JSON."""
    return json.dumps(DAMAGED + record.decode("utf-8", "replace").strip(), ensure_ascii=False).encode()


def mended(body: bytes, name: str, limits: Limits) -> Mended:
    """A page in UTF-8 → JSON. ``name``: the field that holds the list of records.

    :raises ValueError: it cannot be made JSON: it was cut, or is something else.
    """
    done = _tokens(body)
    if done is not None and is_sound(done.body):
        if not done.body.lstrip().startswith(b"{"):
            raise ValueError("no JSON object")
        return done
    return _cut(body, name, limits)


def _tokens(body: bytes) -> Mended | None:
    """Every token as JSON has it; None where a string does not end."""
    pieces: list[bytes] = []
    done = Mended(b"")
    for found in _TOKEN.finditer(body):
        token = found[0]
        if token == b'"':
            return None
        fixed = _token(token)
        if fixed is not token:
            done.tokens += 1
            done.first = done.first or f"byte {found.start()}: {token[:60].decode('utf-8', 'replace')!r}"
        pieces.append(fixed)
    done.body = b"".join(pieces)
    return done


def _token(token: bytes) -> bytes:
    first = token[:1]
    if first == b'"':
        if b"\\" in token and any(found[1] is None for found in _ESCAPE.finditer(token)):
            token = _ESCAPE.sub(lambda found: found[0] if found[1] is not None else rb"\\", token)
        if _CONTROL.search(token):
            token = _CONTROL.sub(lambda found: b"\\u%04x" % found[0][0], token)
        return token
    if first in b"{}[]:, \t\r\n" or _LITERAL.fullmatch(token):
        return token
    if token.isspace():
        return b" "
    return json.dumps(token.decode("utf-8", "replace"), ensure_ascii=False).encode()


def _cut(body: bytes, name: str, limits: Limits) -> Mended:
    """The list cut at its records; :raises ValueError: there is no list of that name, or it has no end."""
    start = re.search(rb'"' + re.escape(name.encode()) + rb'"\s*+:\s*+\[', body)
    if start is None:
        raise ValueError(f"no list {name}")
    records = _Records(body, limits)
    end = records.read(start.end())
    head, tail = _tokens(body[: start.end()]), _tokens(body[end:])
    if head is None or tail is None:
        raise ValueError("what surrounds the list is no JSON")
    whole = head.body + b",".join(records.made) + tail.body
    if not is_sound(whole):
        raise ValueError("what surrounds the list is no JSON")
    tokens = head.tokens + tail.tokens + records.tokens
    return Mended(whole, tokens, head.first or records.first or tail.first, records.broken)


def _past_space(body: bytes, place: int) -> int:
    """The first place from ``place`` on that is no white space."""
    found = _SPACE.match(body, place)
    return found.end() if found else place


class _Records:
    """The elements of one list, sound ones as they are, others as strings."""

    def __init__(self, body: bytes, limits: Limits) -> None:
        self._body, self._limits = body, limits
        self._work = _WORK * len(body) + (1 << 16)
        self._leading: set[bytes] = set()  # first names of sound records
        self.made: list[bytes] = []
        self.tokens = self.broken = 0
        self.first = ""

    def read(self, place: int) -> int:
        """From behind the list's bracket to its closing one, whose place is returned. :raises ValueError: none."""
        body = self._body
        while True:
            place = _past_space(body, place)
            if body[place : place + 1] == b"]":
                return place
            after = self._sound(place)
            if after is None:
                after = self._broken(place)
            place = _past_space(body, after)
            if body[place : place + 1] == b",":
                place += 1
            elif body[place : place + 1] != b"]":
                raise ValueError("the list does not end")

    def _sound(self, place: int) -> int | None:
        """Takes the record that stands there; None: it is none, or nothing of the list follows it."""
        end, deep = self._scan(place)
        if end is None:
            return None
        after = _past_space(self._body, end)
        if self._body[after : after + 1] not in (b",", b"]"):
            return None
        if deep:
            return self._stand(place, end)
        done = _tokens(self._body[place:end])
        if done is None or not is_sound(done.body):
            return None
        if found := _NAME.match(done.body):
            self._leading.add(found[1])
        self.made.append(done.body)
        self.tokens += done.tokens
        self.first = self.first or done.first
        return end

    def _scan(self, place: int) -> tuple[int | None, bool]:
        """Where the value that begins there ends, by its brackets, and whether it nests too deep; None: nowhere."""
        depth, deep = 0, False
        for found in _TOKEN.finditer(self._body, place):
            token = found[0]
            if token in (b"{", b"["):
                depth += 1
                deep = deep or depth > self._limits.depth
            elif token in (b"}", b"]"):
                depth -= 1
            elif token == b'"':
                break
            elif token in (b",", b":") or token.isspace():
                continue
            if depth <= 0:
                self._spend(found.end() - place)
                return (found.end() if depth == 0 else None), deep
        self._spend(len(self._body) - place)
        return None, deep

    def _broken(self, place: int) -> int:
        """Passes a record that is none: to the next that is one, else to the list's end."""
        begins = _NAME.match(self._body, place)
        names = self._leading or ({begins[1]} if begins else set())
        for number, found in enumerate(_NEXT.finditer(self._body, place)):
            if number == _TRIES:
                break
            end, deep = self._scan(found.end())
            if end is None or deep or not self._begins_with(names, found.end()):
                continue
            if is_sound(self._body[found.end() : end]):
                return self._stand(place, found.start() + 1)
        for number, found in enumerate(_END.finditer(self._body, place)):
            if number == _TRIES:
                break
            tail = self._body[found.end() :]
            if not tail.lstrip().startswith((b"}", b",")):
                continue
            self._spend(len(tail))
            done = _tokens(tail)
            if done is not None and self._closes(done.body):
                return self._stand(place, found.start())
        raise ValueError("the list does not end")

    def _begins_with(self, names: set[bytes], place: int) -> bool:
        found = _NAME.match(self._body, place)
        return found is not None and (not names or found[1] in names)

    def _closes(self, tail: bytes) -> bool:
        """Whether what follows the list closes what was open before it: objects alone, as pages have it."""
        opened = tail.count(b"}") - tail.count(b"{")
        if opened <= 0 or not tail.strip().endswith(b"}"):
            return False
        return is_sound(b'{"":' * opened + b"0" + tail)

    def _stand(self, place: int, end: int) -> int:
        self.made.append(standing(self._body[place:end]))
        self.broken += 1
        return end

    def _spend(self, count: int) -> None:
        self._work -= count
        if self._work < 0:
            raise ValueError("too much of the page is broken")
