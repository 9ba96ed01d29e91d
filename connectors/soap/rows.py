"""Answers of any operation that holds rows: typed, by a path, or as a document in a string (XML or JSON).

How a listing is read to its end: :mod:`connectors.paging.pages`. Options of a feed: :class:`~sources.options.soap.RowsFeed`.
References of SOAP encoding are followed within the answer; what a schema of the WSDL knows of the rows' path tells an empty list
from a misspelt one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lxml import etree

from connectors.base import Batch, Payload
from connectors.decoders import xml
from connectors.decoders.answers import Nothing, Opened, Xml, descend, json_or_xml
from connectors.decoders.xml import children, local
from connectors.limits import Limits, check
from connectors.paging import pages
from connectors.paging.pages import Page
from connectors.soap import multipart
from connectors.soap.message import envelope_body
from connectors.window import Window
from core.errors import ConfigurationError, TransientError
from sources.options.listing import steps
from sources.options.soap import RowsFeed

if TYPE_CHECKING:
    from sources.declaration import Feed

#: ``call(operation, constants, places, own, look)``: ``places`` stand for names in the constants, ``own`` are parameters of their
#: own; ``look`` refuses an answer, which is then asked for again, or has what the call gives back.
Call = Callable[[str, dict[str, Any], dict[str, str], dict[str, Any], Callable[[Payload], Any]], Payload]
_MAX_HOPS = 20


class Asker:
    """One feed's calls for pages of one window. ``knows``: whether a schema has the rows' path, None: it says nothing."""

    def __init__(
        self, call: Call, feed: Feed, given: RowsFeed, window: Window, knows: Callable[[], bool | None]
    ) -> None:
        self._call = call
        self._feed = feed
        self._given = given
        self._limits = Limits.of(feed)
        self._bounds = pages.bounds(given, window)
        self._knows = knows
        self.bounded = given.until is not None or pages.speaks(given.parameters, "until")

    def ask(self, asked: dict[str, Any], following: dict[str, Any], etag: str | None = None) -> Page:
        """One call for a page."""
        given = self._given
        places, own = pages.split(given, given.parameters, self._bounds, asked | following)
        known = self._knows()
        looked: list[Page] = []  # at each attempt's answer
        try:
            self._call(
                given.operation, given.parameters, places, own, lambda got: looked.append(self._page(got, known))
            )
        except TransientError as error:
            if error.code == "not_a_page" and known is False:
                raise self._unknown_path(error.message) from error
            raise
        page = looked[-1]
        if not page.items and known is False:
            raise self._unknown_path("no rows came")
        return page

    def _unknown_path(self, why: str) -> ConfigurationError:
        given = self._given
        return ConfigurationError(
            f"{self._feed.id}: the WSDL knows no {given.document or given.rows} in the answer of {given.operation}: {why}",
            remedy="correct rows of the feed's options: a path beneath the answer's own element",
            zh=f"WSDL 中操作 {given.operation} 的响应没有 {given.document or given.rows}，请更正数源声明中的 rows。",
            feed=self._feed.id,
            field="options.rows",
            code="rows_path",
        )

    def follow(self, page: Page) -> dict[str, Any]:
        """The cursor of the next page."""
        return {self._given.paging.cursor_as: page.next}  # type: ignore[union-attr]  # no other kind has a next

    def _page(self, payload: Payload, known: bool | None) -> Page:
        payload.facts.update({"typed": True} if known else {})
        return pages.page(self._feed, lambda: opened(payload, self._given, self._limits), payload)


def decode(payload: Payload, given: RowsFeed, limits: Limits) -> Batch:
    """One answer → its rows. What is no XML, or has bytes that are no text, is a Reject."""
    return pages.rows(opened(payload, given, limits))


def opened(payload: Payload, given: RowsFeed, limits: Limits) -> Opened:
    """:raises DamagedXml: envelope or document cannot be read. :raises ValueError: the answer holds nothing."""
    envelope, kind = multipart.envelope(payload.content, payload.media_type)
    names = steps(given.rows)
    cut_at = () if given.document or not names else (names[-1], "multiRef")
    root = xml.lenient(envelope, cut_at, kind, limits=limits) if cut_at else xml.parse(envelope, kind, limits=limits)
    held = envelope_body(root)
    if children(held, "Fault"):
        return Nothing(given, limits)
    answer = next((one for one in children(held) if local(one) != "multiRef"), None)
    if answer is None:
        raise ValueError("the SOAP Body is empty")
    _resolved(held, answer, limits)
    whole = Xml(given, limits, answer, typed=bool(payload.facts.get("typed")) and given.document is None)
    if given.document is None:
        return whole
    holders = descend(answer, steps(given.document))
    text = next((xml.content(one) for one in holders if not xml.is_nil(one)), None)
    if not (text or "").strip():
        if whole.is_empty():
            return whole
        raise ValueError(f"no document stands at {given.document}")
    inner = json_or_xml(given, limits, text or "")
    inner.around = whole
    return inner


def _resolved(body: etree._Element, answer: etree._Element, limits: Limits) -> None:
    """References of SOAP encoding (``href="#id"``, 1.2 ``ref``) replaced by what they name, in place; one that leads nowhere
    stays as it is.
    """
    by_id = {one.get("id"): one for one in body.iter() if isinstance(one.tag, str) and one.get("id")}
    if not by_id:
        return
    count = 0
    waiting = [(answer, 0)]
    while waiting:
        element, depth = waiting.pop()
        target, hops = element, 0
        while (name := _reference(target)) and name in by_id and hops < _MAX_HOPS:
            target, hops = by_id[name], hops + 1
        if target is not element and depth < _MAX_HOPS:
            for attribute in ("href", "ref"):
                element.attrib.pop(attribute, None)
            element.text = target.text
            for child in children(target):
                element.append(etree.fromstring(etree.tostring(child, with_tail=False)))
            for attribute, value in target.attrib.items():
                if attribute.startswith("{"):
                    element.set(attribute, value)
        for noise in ("id", "soapenc"):
            element.attrib.pop(noise, None)
        count += 1 + len(element)
        check(limits, "expanded", count, "an answer with its references followed")
        waiting += [(child, depth + 1) for child in children(element)]


def _reference(element: etree._Element) -> str | None:
    named = element.get("href") or element.get("{http://www.w3.org/2003/05/soap-encoding}ref") or ""
    return named.removeprefix("#") or None
