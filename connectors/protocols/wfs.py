"""WFS 2.0 by key-value pairs: layers read whole, GML of any dialect, geometries in EPSG:4490 longitude first.

Declared in ``sources/*.yaml``; the Connection's base is the service::

    protocol: wfs
    feeds:
      parcel:
        key: [ZDDM]
        options:
          layer: dg:parcel      # the server's own prefix is taken from its capabilities; the local name counts
          size: 1000            # features a page; the server may cap it
          sort: true            # sortBy the key; done without when the server does not honour it
          area: MJ              # column with the stated area in m², compared with the geometry's (0.5 %)
          columns: [ZDDM, QLR, MJ, PROJECT_CODE, GXSJ]     # the contract's columns, for their case

A batch has the feature's properties by local name and ``_geometry``: the hexadecimal WKB of
:data:`connectors.decoders.geometry.COLUMN`, in the place of the property that holds the geometry, whatever its name.

The end of a layer is an empty page, or a ``numberMatched`` that is a number and reached; ``unknown`` is none, nor is a
0 beside features. ``next`` is not needed and not followed. Completeness: :mod:`connectors.paging.listing`. Exceptions come
with 400 or 200 (docs/source-systems.md, S1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
from lxml import etree

from connectors.base import Batch, CheckLine, Connector, Issue, Payload, Proof, Reject, Window
from connectors.decoders import alike, charsets, geometry, gml, rows, xml
from connectors.decoders.geometry import GeometryError
from connectors.decoders.xml import children, local
from connectors.limits import Limits, OverLimit, check
from connectors.paging import listing
from connectors.transports.http import Answer, Http, basic, raise_for_page, raise_for_status
from core.errors import ConfigurationError, OneMapError, ProviderError, TransientError
from core.redaction import redact
from sources import options
from sources.declaration import UNDECIDED
from sources.options.http_services import WfsFeed

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_SERVICE = {"service": "WFS", "version": "2.0.0"}
_TIMES = {"timePosition"}  # of gml: a server may wrap a date in it
_NOT_FEATURES = {"boundedBy", "truncatedResponse", "additionalObjects"}
_OUR_FAULT = {
    "InvalidParameterValue",
    "MissingParameterValue",
    "OperationNotSupported",
    "OptionNotSupported",
    "OperationParsingFailed",
    "VersionNegotiationFailed",
    "InvalidValue",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """What the capabilities say of a layer."""

    name: str
    default_crs: str | None


class Wfs(Connector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self._unsorted: set[str] = set()  # layers whose server refuses sortBy
        self.http = Http.of(source, endpoint, sign=basic(endpoint), classify=classify)

    # -- the contract of a connector

    def check(self) -> list[CheckLine]:
        try:
            names = sorted(layer.name for layer in self._layers.values())
        except OneMapError as error:
            return [CheckLine.failed("GetCapabilities", error)]
        lines = [CheckLine("GetCapabilities", True, f"{len(names)} layers: {', '.join(names)}")]
        for feed in self.source.feeds.values():
            try:
                page = self._page(feed, options.of_feed("wfs", feed).model_copy(update={"size": 1}), 0)
                for batch in self.decode(feed, page.payload):
                    if batch.rejects:
                        raise ProviderError(batch.rejects[0].message, remedy="tell the source's owner")
                lines.append(CheckLine(feed.id, True, f"{'unknown' if page.total is None else page.total} features"))
            except OneMapError as error:
                lines.append(CheckLine.failed(feed.id, error))
        return lines

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        given = options.of_feed("wfs", feed)
        try:
            yield from listing.read(lambda start: self._page(feed, given, start), feed.id, feed.key)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        try:
            given = options.of_feed("wfs", feed)
            yield decode(payload, given, feed.key, given.limits)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def close(self) -> None:
        self.http.close()

    # -- pages

    def _page(self, feed: Feed, given: WfsFeed, start: int) -> listing.Page:
        layer = self._layer(given)
        answer = self._features(feed, given, layer, start)
        root = opened(answer.content, answer.headers.get("Content-Type"), given.limits)
        members = features(root)
        keys = [_key(member, feed.key) for member in members]
        total = _matched(root, start + len(members))
        payload = answer.payload(
            answer.headers.get("Content-Type"),
            start=start,
            count=len(members),
            total=total,
            default_crs=layer.default_crs,
        )
        more = bool((root.get("next") or "").strip())
        columns = frozenset(local(child) for member in members for child in children(member))
        return listing.Page(payload, keys, len(members), _digest(members), total, more, columns)

    def _features(self, feed: Feed, given: WfsFeed, layer: Layer, start: int) -> Answer:
        params = {
            **_SERVICE,
            "request": "GetFeature",
            "typeNames": layer.name,
            "startIndex": start,
            "count": given.size,
        }
        if given.sort and UNDECIDED not in feed.key and layer.name not in self._unsorted:
            try:
                return self.http.get("", params={**params, "sortBy": ",".join(feed.key)}, classify=classify_features)
            except (ConfigurationError, TransientError) as error:
                if error.code not in _OUR_FAULT | {"NoApplicableCode", "OperationProcessingFailed"}:
                    raise
                answer = self.http.get("", params=params, classify=classify_features)
                self._unsorted.add(layer.name)
                return answer
        return self.http.get("", params=params, classify=classify_features)

    def _layer(self, given: WfsFeed) -> Layer:
        """The layer as the server names it. :raises ConfigurationError: it has none of that local name."""
        found = self._layers.get(given.layer) or self._layers.get(_bare(given.layer))
        if found is None:
            raise ConfigurationError(
                f"the service has no layer {given.layer}",
                remedy=f"it has {', '.join(sorted({layer.name for layer in self._layers.values()}))}: correct options.layer",
                zh=f"服务中没有图层 {given.layer}，请核对数源声明中的 layer 与连接地址。",
                field="layer",
                code="no_layer",
            )
        return found

    @cached_property
    def _layers(self) -> dict[str, Layer]:
        """By full name and by local name."""
        asked = {**_SERVICE, "request": "GetCapabilities"}
        try:
            answer = self.http.get("", params=asked, classify=classify_capabilities)
        except TransientError as error:
            if error.code != "not_a_page":
                raise
            raise _no_capabilities(error.message) from error
        root = xml.parse(answer.content, answer.headers.get("Content-Type"), what="the capabilities")
        layers: dict[str, Layer] = {}
        for element in root.iter():
            if local(element) == "FeatureType":
                parts = {local(part): (part.text or "").strip() for part in children(element)}
                layer = Layer(
                    parts.get("Name", ""), parts.get("DefaultCRS") or parts.get("DefaultSRS") or parts.get("SRS")
                )
                layers.setdefault(_bare(layer.name), layer)
                layers[layer.name] = layer
        if not layers:
            raise _no_capabilities(f"<{local(root)}> names no layers")
        return layers


def _no_capabilities(what: str) -> ConfigurationError:
    return ConfigurationError(
        what,
        remedy="check that the Connection's host is the WFS itself, with its path",
        zh="能力文档中没有图层，请检查连接地址是否为 WFS 服务本身。",
        code="no_capabilities",
    )


def classify(answer: Answer) -> None:
    """Exceptions inside an answer, whatever its status; an answer that broke off.

    :raises OneMapError: by whose duty it is.
    """
    _classified(answer)


def classify_features(answer: Answer) -> None:
    """:func:`classify`, and what is no collection: an error in XML of a gateway's own holds no features, and is no empty layer.

    :raises OneMapError: by whose duty it is.
    """
    _classified_as(answer, "FeatureCollection", "collection of features", "要素集合")


def classify_capabilities(answer: Answer) -> None:
    """:func:`classify`, and what describes no service: a gateway's page is no fault of our configuration.

    :raises OneMapError: by whose duty it is.
    """
    _classified_as(answer, "Capabilities", "description of a service", "服务能力文档")


def _classified_as(answer: Answer, ending: str, what: str, zh: str) -> None:
    root = _classified(answer)
    if not local(root).endswith(ending):
        raise_for_page(answer)
        raise TransientError(
            f"<{local(root)}> is no {what}",
            remedy="it is asked for again; if it lasts, check that the Connection's host is the WFS itself, with its path, "
            "and ask the source what stands before it",
            zh=f"响应是 <{local(root)}>，不是{zh}，将自动重试；如持续，请检查连接地址是否为 WFS 服务本身，并向数源核实服务前的网关。",
            code="not_a_page",
        )


def _classified(answer: Answer) -> etree._Element:
    content_type = answer.headers.get("Content-Type")
    try:
        root = opened(answer.content, content_type)
    except OverLimit:
        raise
    except ProviderError as error:
        raise_for_status(answer)  # an error's page may be HTML, cut, anything: its status says what it is
        raise_for_page(answer)
        if isinstance(error, xml.UnsafeXml):
            raise
        raise TransientError(
            error.message,
            remedy="it is asked for again; if it lasts, check that the host is the WFS itself, and tell the source's owner",
            zh=f"响应不是完整的 XML：{error.zh}",
            code=error.code,
        ) from error
    if local(root) in ("ExceptionReport", "ServiceExceptionReport"):
        raise _exception(root)
    raise_for_status(answer)
    for element in root.iter():
        if local(element) == "truncatedResponse":
            raise _exception(element)
    return root


def features(root: etree._Element) -> list[etree._Element]:
    """The features of a collection: in ``member``, ``featureMember``, ``featureMembers``, nested collections too."""
    found: list[etree._Element] = []
    for holder in root.iterchildren("*"):
        name = local(holder)
        if holder.get(xml.BROKEN):
            found.append(holder)
        elif name in ("member", "featureMember", "featureMembers"):
            for one in holder.iterchildren("*"):
                name = local(one)
                if name in ("FeatureCollection", "SimpleFeatureCollection"):
                    found.extend(features(one))
                elif name not in _NOT_FEATURES:
                    found.append(one)
    return found


def decode(payload: Payload, given: WfsFeed, key: list[str], limits: Limits | None = None) -> Batch:
    """One page → its features. A geometry that cannot be read makes its feature a Reject.

    Issues: ``axis_swapped`` (axes other than ``srsName`` says, put right), ``geometry_outside`` (not in Dongguan),
    ``geometry_invalid``, ``area_differs``.
    """
    body = payload.content
    read = xml.read(body, payload.media_type)
    root, damaged = _root(body, read, payload.media_type, limits or Limits())
    reader = gml.Reader(root, limits)
    envelope = gml.envelope_srs(root) or payload.facts.get("default_crs")
    fault = xml.contradicts(body, payload.media_type, read.charset)
    issues = [Issue("charset_differs", fault)] if fault else []
    records, at, names, shapes, codes, rejects = [], [], [], [], [], []
    members = features(root)
    usual = _Usual({"boundedBy"}, key)
    written = body if read.charset.name == "utf-8" else read.text.encode("utf-8", "surrogatepass")
    grouped = [] if damaged or read.damaged else _alike(members, written, usual, envelope, limits or Limits())
    apart = sorted(set(range(len(members))).difference(*(one.at for one in grouped)))
    shaped = [gml.find(members[number]) for number in apart]
    plain = reader.plain([found[1] if found else None for found in shaped])
    single = frozenset((*key, *given.columns, given.area or ""))
    north_first: list[bool] = []
    for number, found, shape in zip(apart, shaped, plain, strict=True):
        feature, place = members[number], f"member {number + 1}"
        one = None if damaged else usual.record(feature, found)
        if one is not None:
            record, name, reject = one[0], one[1] or None, None
        else:
            name = _key(feature, key) or None
            reject = _unsound(feature, found, place, name, single)
        if reject is None:
            try:
                reader.unclosed = 0
                reference = _reference(feature, found, envelope)
                if shape is None and found is not None:
                    shape = reader.read(found[1])
                if one is None:
                    omit = {"boundedBy", local(found[0])} if found else {"boundedBy"}
                    record = xml.record(feature, omit=omit, inner=_TIMES)
            except (GeometryError, OverLimit) as error:
                raw = xml.shown(feature)
                reject = Reject(place, error.code, error.message, raw=raw, record=name)
        if reject is not None:
            rejects.append(reject)
            continue
        if reader.unclosed and shape is not None:
            issues.append(
                Issue(
                    "ring_unclosed",
                    f"{reader.unclosed} rings do not end where they began; closed",
                    name,
                    geometry.COLUMN,
                )
            )
        records.append(record)
        at.append(number)
        names.append(name)
        shapes.append(shape)
        codes.append(reference.epsg)
        north_first.append(reference.north_first)
    wide = rows.rare(records, limits or Limits())
    for number in reversed(wide):
        raw = json.dumps(records[number], ensure_ascii=False)[: xml.RAW]
        place = f"member {at[number] + 1}"
        rejects.append(Reject(place, "over_limit", f"{place} {rows.BEYOND}", raw))
        for column in (records, at, names, shapes, codes, north_first):
            del column[number]
    known = [*key, *given.columns, *([given.area] if given.area else [])]
    table = rows.table(records, [f"member {number + 1}" for number in at], known)
    straight, turned = np.array(shapes, dtype=object), np.array(north_first, dtype=bool)
    straight[turned] = geometry.swap(straight[turned])
    if grouped:
        table = pa.concat_tables([table, *(group.table(known) for group in grouped)], promote_options="default")
        straight = np.concatenate([straight, *(group.shapes for group in grouped)])
        for group in grouped:
            at += group.at
            names += group.names
            codes += [group.epsg] * len(group.at)
        if at != sorted(at):
            order = np.argsort(at, kind="stable")
            table, straight = table.take(order), straight[order]
            names, codes = [names[number] for number in order], [codes[number] for number in order]
    placed, outside = _placed(straight, np.array(codes, dtype=int), names)
    issues += outside + _checked(placed, names, table, given.area)
    column = pa.array(geometry.to_hex(placed), pa.large_string())
    return Batch(table.append_column(geometry.COLUMN, column), rejects, issues)


@dataclass(frozen=True, slots=True)
class _Group:
    """Features that are written alike: their places among all from 0, their columns of text, keys, surfaces (easting first)."""

    at: list[int]
    columns: pl.DataFrame
    names: list[str | None]
    shapes: np.ndarray
    epsg: int

    def table(self, known: list[str]) -> pa.Table:
        """As :func:`rows.table` has it."""
        proper = {name.lower(): name for name in known}
        place = pl.Series("_place", [f"member {number + 1}" for number in self.at], dtype=pl.String)
        named = self.columns.rename({name: proper.get(name.lower(), name) for name in self.columns.columns})
        return named.with_columns(place).to_arrow()


def _alike(
    members: list[etree._Element],
    page: bytes,
    usual: _Usual,
    envelope: str | None,
    limits: Limits,
) -> list[_Group]:
    """Features of text and one surface of one ring, as nearly all are, those that are written alike together; all others are
    in none."""
    made = (_group(one, members[one.places[0]], usual, envelope, limits) for one in alike.groups(page, members))
    found = [one for one in made if one is not None]
    return found if len({name for one in found for name in one.columns.columns}) <= limits.names // 2 else []


def _group(
    written: alike.Alike, feature: etree._Element, usual: _Usual, envelope: str | None, limits: Limits
) -> _Group | None:
    """None: they are to be looked at one by one."""
    found = gml.find(feature)
    ring = gml.only_ring(found[1]) if found else None
    if found is None or ring is None or usual.record(feature, found) is None:
        return None
    try:
        reference = _reference(feature, found, envelope)
    except GeometryError:
        return None
    elements = alike.tokens(written.first)
    children_at = [place for depth, _, place in elements if depth == 2]
    rings_at = [place for _, name, place in elements if _bare(name) == ring[0]]
    columns, key = usual.names(feature, found)
    if len(children_at) != len(columns) or len(rings_at) != 1:
        return None
    texts = {name: written.text(place) for name, place in zip(columns, children_at, strict=True) if name is not None}
    frame = pl.DataFrame(texts)
    values, lengths = written.numbers(rings_at[0])
    sizes = np.full(len(lengths), ring[1])
    sound, shapes = gml.surfaces(values, lengths, sizes, limits, turned=reference.north_first)
    short = written.longest(children_at) <= limits.field
    if not (sound & short).all():
        shapes, frame = shapes[short[sound]], frame.filter(sound & short)
    parts = [
        frame[name].str.strip_chars() if name in texts else pl.repeat("", frame.height, eager=True) for name in key
    ]
    names = pl.DataFrame([part.alias(str(number)) for number, part in enumerate(parts)]).select(
        pl.when(pl.any_horizontal(pl.all() != "")).then(pl.concat_str(pl.all(), separator="|"))
    )
    return _Group(written.places[sound & short].tolist(), frame, names.to_series().to_list(), shapes, reference.epsg)


def _root(body: bytes, read: charsets.Decoded, content_type: str | None, limits: Limits) -> tuple[etree._Element, bool]:
    """The root of a page as :func:`opened` has it; whether something in it has a mark of what could not be read."""
    check(limits, "page", len(body), "the answer")
    if not read.damaged:
        try:
            root = xml.parse(read.text, limits=limits)
        except xml.CutXml:
            raise
        except (xml.DamagedXml, xml.HugeXml):
            pass
        else:  # nothing was marked: only what stands there, or is referred to, looks like a mark
            suspect = xml.DAMAGE in read.text or "&#" in read.text
            return root, suspect and xml.is_damaged(root)
    root = opened(body, content_type, limits)
    return root, xml.is_damaged(root)


def opened(body: bytes, content_type: str | None, limits: Limits | None = None) -> etree._Element:
    """A page, whatever is wrong with single members of it: see :func:`connectors.decoders.xml.lenient`."""
    return xml.lenient(body, ("member", "featureMember"), content_type, limits=limits)


_Found = tuple[etree._Element, etree._Element] | None  # a feature's geometry property, and the geometry in it


_TAG = attrgetter("tag")


class _Usual:
    """Records of features that have text and one geometry and nothing else, as nearly all do: what their elements are called is
    looked at once, and not once a feature."""

    def __init__(self, omit: set[str], key: list[str]) -> None:
        self._omit, self._key = omit, key
        self._known: dict[tuple[Any, ...], tuple[list[str | None], list[str]] | None] = {}

    def record(self, feature: etree._Element, found: _Found) -> tuple[dict[str, str | None], str] | None:
        """As :func:`xml.record` has it, and its key as :func:`_key` has it; None: it is to be looked at by itself."""
        inside = list(feature)
        known = self._looked_up(inside, feature, found)
        if known is None:
            return None
        record: dict[str, str | None] = {}
        for name, one in zip(known[0], inside, strict=True):
            if name is not None:
                if len(one) or one.keys():
                    return None
                record[name] = one.text or ""
        parts = [(record.get(name) or "").strip() for name in known[1]]
        return record, "|".join(parts) if any(parts) else ""

    def names(self, feature: etree._Element, found: _Found) -> tuple[list[str | None], list[str]]:
        """The column of each element of a feature that :meth:`record` reads, None for those that are none; and those of the key."""
        return self._looked_up(list(feature), feature, found) or ([], [])

    def _looked_up(
        self, inside: list[etree._Element], feature: etree._Element, found: _Found
    ) -> tuple[list[str | None], list[str]] | None:
        shape = inside.index(found[0]) if found else -1
        tags = (*map(_TAG, inside), *feature.keys(), shape)
        if tags not in self._known:
            self._known[tags] = self._named(inside, feature, shape)
        return self._known[tags]

    def _named(
        self, inside: list[etree._Element], feature: etree._Element, shape: int
    ) -> tuple[list[str | None], list[str]] | None:
        """As :meth:`names`; None: it is not usual."""
        names = [local(one) for one in inside]
        lowered = [name.lower() for name in names]
        if not all(names) or len(set(lowered)) < len(names) or xml.attributes(feature) or UNDECIDED in self._key:
            return None
        by_name = dict(zip(lowered, names, strict=True))
        columns = [None if name in self._omit or place == shape else name for place, name in enumerate(names)]
        if any(by_name.get(name.lower(), name) not in columns and name.lower() in by_name for name in self._key):
            return None
        return columns, [by_name.get(name.lower(), name) for name in self._key]


def _unsound(
    feature: etree._Element, found: _Found, place: str, name: str | None, single: frozenset[str]
) -> Reject | None:
    """A member that is no XML, holds bytes that are no text, or a property of ``single``, or its geometry, twice."""
    if why := feature.get(xml.BROKEN):
        return Reject(place, "xml_damaged", f"{place} is no XML: {why}", (feature.text or "")[: xml.RAW])
    if not xml.is_damaged(feature):
        double = xml.twice(feature, single | {local(found[0])} if found else single)
        return xml.ambiguous(feature, place, double, name) if double else None
    raw = xml.shown(feature)
    clean = name if name and xml.DAMAGE not in name else None
    return Reject(place, "undecodable", f"{place} has bytes that are no text; they stand as \\xNN", raw, clean)


def _reference(feature: etree._Element, found: _Found, envelope: str | None) -> geometry.Reference:
    """What the numbers of the feature's geometry mean, by what stands nearest to them.

    :raises GeometryError: nothing tells it.
    """
    if found is None:
        return geometry.Reference(geometry.STORE, north_first=False)
    name = gml.srs_name(found[1]) or gml.envelope_srs(feature) or envelope
    if not name:
        raise GeometryError(
            "no srsName on the geometry, its envelope or the layer",
            remedy="tell the source's owner",
            zh="图形、外包框和图层均未注明坐标系，请联系数源部门。",
            code="crs_missing",
        )
    return geometry.reference(name)


def _placed(shapes: np.ndarray, codes: np.ndarray, names: list[str | None]) -> tuple[np.ndarray, list[Issue]]:
    """Geometries in EPSG:4490, checked against Dongguan's window, those of one reference at once."""
    placed = np.full(len(shapes), None, dtype=object)
    issues: list[Issue] = []
    for code in np.unique(codes):
        where = np.flatnonzero(codes == code)
        group = geometry.place(shapes[where], int(code))
        placed[where] = group.geometries
        for number in where[group.swapped]:
            issues.append(
                Issue(
                    "axis_swapped",
                    f"the axes are not in the order of their srsName (EPSG:{code}); put right",
                    names[number],
                )
            )
        for number in where[group.outside]:
            issues.append(
                Issue(
                    "geometry_outside", "the geometry does not lie in Dongguan, with its axes either way", names[number]
                )
            )
    return placed, issues


def _checked(placed: np.ndarray, names: list[str | None], table: pa.Table, area: str | None) -> list[Issue]:
    issues = [
        Issue("geometry_invalid", why, name)
        for name, why in zip(names, geometry.invalid(placed), strict=True)
        if why is not None
    ]
    if area is None or area not in table.column_names:
        return issues
    texts = table.column(area).to_pylist()
    stated = np.array([_number(text) for text in texts], dtype=float)
    where = np.flatnonzero(geometry.area_differs(placed, stated))
    for number, computed in zip(where, geometry.areas(placed[where]), strict=True):
        detail = f"{area} says {stated[number]:.2f} m², the geometry has {computed:.2f} m²"
        issues.append(Issue("area_differs", detail, names[number], area))
    return issues


def _number(text: str | None) -> float:
    try:
        return float((text or "nan").replace(",", "").strip() or "nan")
    except ValueError:
        return float("nan")


def _key(feature: etree._Element, names: list[str]) -> str:
    wanted, first = {name.lower() for name in names}, UNDECIDED in names
    values = {
        name: (xml.content(child) or "").strip()
        for child in children(feature)
        if (name := local(child).lower()) in wanted or first
    }
    if first:  # a first look: every property together
        names = list(values)
    parts = [values.get(name.lower(), "") for name in names]
    return "|".join(parts) if any(parts) else ""


def _matched(root: etree._Element, known: int) -> int | None:
    """``numberMatched`` where it says something: a number, and not a 0 though ``known`` features are known of."""
    given = (root.get("numberMatched") or "").strip()
    if not given.isdigit() or (int(given) == 0 and known):
        return None
    return int(given)


def _digest(members: list[etree._Element]) -> bytes:
    """Of the features, whatever stands on the collection (its time stamp)."""
    return hashlib.sha256(b"".join(etree.tostring(member) for member in members)).digest()


def _bare(name: str) -> str:
    return name.rpartition(":")[2]


def _exception(root: etree._Element) -> OneMapError:
    """An OWS exception report, of any version, as an error of ours."""
    code = locator = ""
    texts: list[str] = []
    for element in root.iter():
        code = code or element.get("exceptionCode") or element.get("code") or ""
        locator = locator or element.get("locator") or ""
        if local(element) in ("ExceptionText", "ServiceException") and (element.text or "").strip():
            texts.append(" ".join(element.text.split()))
    message = redact("; ".join(texts))[:200]
    text = f"exception {code or 'without a code'}{f' ({locator})' if locator else ''}: {message}"
    if code in _OUR_FAULT:
        return ConfigurationError(
            text,
            remedy="our request is wrong: check layer and key in the declaration against the service's capabilities",
            zh=f"WFS 认为请求有误（{code} {locator}：{message}），请核对数源声明中的图层与主键。",
            field=locator or None,
            code=code,
        )
    return TransientError(
        text,
        remedy="tried again by itself; if it lasts, tell the source's owner",
        zh=f"WFS 报错（{code}：{message}），将自动重试；如持续，请联系数源部门。",
        code=code or "ows_exception",
    )
