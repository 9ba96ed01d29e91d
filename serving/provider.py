"""The contract with a provider, from the declarations: a page by department that can be sent, and Open Data Contract Standard 3
by feed, out and in.

What is said: which feeds, fields and keys, what was promised (schedule, freshness), what is open and whose turn it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from core import clock, interval, settings
from core.errors import ConfigurationError, OneMapError
from core.version import VERSION
from mappings import compiler
from mappings.compiler import Mapping
from mappings.language import REST
from pipeline import health
from pipeline.onboard import propose, write
from pipeline.onboard.profile import ColumnProfile, Profile
from schemas import codes, entities
from schemas.entities import Column
from serving.render import span
from sources import loader
from sources.declaration import Feed, Source

_LOGICAL = {
    "text": "string",
    "int": "integer",
    "decimal": "number",
    "bool": "boolean",
    "json": "object",
    "geometry": "string",
}
_FORMS = {
    "date": "yyyy-MM-dd",
    "timestamp": "yyyy-MM-dd HH:mm:ss（北京时间）",
    "int": "整数",
    "decimal": "数值",
    "bool": "1/0",
    "json": "JSON",
    "geometry": "EPSG:4490，经度在前",
    "text": "文本",
}


@dataclass(frozen=True, slots=True)
class Term:
    """A raw column as a provider reads it. ``use``: what it becomes; ``codes``: values that are agreed, with their meaning."""

    name: str
    zh: str
    key: bool
    time: bool
    type: str
    form: str
    use: str
    personal: bool
    unit: str | None = None
    codes: tuple[tuple[str, str], ...] = ()


def departments() -> dict[str, list[Source]]:
    """数源部门 → its sources."""
    found: dict[str, list[Source]] = {}
    for source in loader.load_all().values():
        found.setdefault(source.owner.department, []).append(source)
    return found


def terms(mapping: Mapping) -> list[Term]:
    """The fields that a feed must bring, those that name the row first."""
    declaration = mapping.declaration
    key = {name for part in declaration.key for name in part.columns}
    time = declaration.time.columns if declaration.time else set()
    targets: dict[str, list[tuple[str, Column, Any]]] = {}
    for block in declaration.entities:
        for target, value in block.columns.items():
            for name in value.columns:
                targets.setdefault(name, []).append(
                    (block.entity, mapping.targets[block.entity].columns[target], value)
                )
    rows = []
    for name in sorted(declaration.columns, key=lambda n: (n not in key, n not in time)):
        used = targets.get(name, [])
        column = used[0][1] if used else None
        first = used[0][2] if used else None
        labelled = mapping.contract.columns.get(name)
        rows.append(
            Term(
                name=name,
                zh=(labelled.zh if labelled and labelled.zh else column.zh if column else ""),
                key=name in key,
                time=name in time,
                type=column.type if column else "timestamp" if name in time else "text",
                form=_FORMS[column.type if column else "timestamp" if name in time else "text"],
                use="、".join(dict.fromkeys(f"{entities.load(entity).zh}·{c.zh}" for entity, c, _ in used)),
                personal=any(c.personal for _, c, _ in used),
                unit=(first.unit or column.unit) if first is not None and column is not None else None,
                codes=_codes(first, column),
            )
        )
    return rows


def _codes(value: Any, column: Column | None) -> tuple[tuple[str, str], ...]:
    if value is None or column is None:
        return ()
    if value.codes:
        return tuple((code, entry.zh) for code, entry in codes.load(value.codes).codes.items())
    if value.map:
        canonical = codes.load(column.codes).codes if column.codes in codes.names() else {}
        return tuple(
            (code, canonical[str(to)].zh if str(to) in canonical else str(to or "不用"))
            for code, to in value.map.items()
        )
    return ()


def page(department: str) -> str:
    """A page of HTML, in Chinese, that stands for itself: it can be sent or printed. :raises ConfigurationError: nobody of that name."""
    sources = departments().get(department)
    if not sources:
        raise ConfigurationError(
            f"no source is owned by {department!r}",
            remedy=f"one of {', '.join(departments())}",
            zh=f"没有由“{department}”提供的数源，可选：{'、'.join(departments())}。",
        )
    parts = [
        "<!doctype html><html lang=zh><meta charset=utf-8>",
        f"<title>数据供给约定 · {escape(department)}</title>",
        "<style>body{font:15px/1.7 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}table{border-collapse:collapse;width:100%}"
        "td,th{border:1px solid #bbb;padding:.2em .5em;text-align:left;vertical-align:top}th{background:#f2f2f2}</style>",
        f"<h1>数据供给约定</h1><p>提供方：<b>{escape(department)}</b>　接收方：项目“一张图”数据汇聚枢纽　生成：{clock.today():%Y年%m月%d日}</p>",
    ]
    for source in sources:
        parts.append(
            f"<h2>{escape(source.name)}（{source.source}）</h2><p>接入方式：{escape(source.protocol)}；读取计划：<code>{source.schedule}</code>；"
            f"时效承诺：数据不迟于 {span(source.promise.total_seconds())}；联系：{escape(source.owner.contact or '待补')}</p>"
        )
        parts += [_section(feed) for feed in source.feeds.values()]
    return "\n".join(parts) + "</html>\n"


def _section(feed: Feed) -> str:
    mapping = compiler.load(feed.mapping.replace("/", "."))
    rows = "".join(
        f"<tr><td><code>{escape(t.name)}</code></td><td>{escape(t.zh)}</td><td>{'主键' if t.key else '更新时间' if t.time else ''}</td>"
        f"<td>{escape(t.form)}{f'，单位 {escape(t.unit)}' if t.unit else ''}{'；'.join(['', *(f'{escape(c)} {escape(z)}' for c, z in t.codes[:20])])}</td>"
        f"<td>{escape(t.use)}{'（个人信息，脱敏）' if t.personal else ''}</td></tr>"
        for t in terms(mapping)
    )
    promises = ["一条记录由主键唯一标识，改动后更新时间前移"]
    if feed.absence:
        promises.append("清单完整：清单中没有的即已删除")
    if feed.cursor.kind == "window":
        promises.append(f"按 {feed.cursor.column} 增量可取，迟到不超过 {span(feed.cursor.lag.total_seconds())}")
    aside = mapping.declaration.ignore
    note = "" if aside == REST or not aside else f"<p>已知不用：{escape('、'.join(aside))}。</p>"
    return (
        f"<h3>{escape(feed.name)}（{feed.id}）</h3><p>约定：{'；'.join(promises)}。不合格记录超过 {feed.max_rejected:.0%} 时整批不入库。</p>"
        f"<table><tr><th>字段</th><th>名称</th><th></th><th>写法与取值</th><th>用途</th></tr>{rows}</table>{note}{_tryout(feed)}{_open(feed)}"
    )


def _tryout(feed: Feed) -> str:
    """Where the provider tries what it would send."""
    url = settings.public_url()
    page = f'<a href="{escape(url)}/onemap/map/tryout/{feed.id}">数据试报</a>' if url else "“数据试报”"
    return f"<p>报送前可在枢纽的{page}页面先试：结论与同步相同，不留任何数据。</p>"


def _open(feed: Feed) -> str:
    """What is open, and whose turn it is, by the health of the feed; nothing where no hub stands beside."""
    try:
        found = next((one for one in health.health(feed.id.partition(".")[0]) if one.feed == feed.id), None)
    except (OneMapError, SQLAlchemyError):
        return ""
    if found is None or found.light == "ok":
        return ""
    turn = f"（责任：{found.fault_zh}）" if found.fault_zh else ""
    return f"<p><b>待处理{escape(turn)}</b>：{escape(found.zh or found.error or found.light)} {escape(found.remedy or '')}</p>"


def odcs(feed_id: str) -> str:
    """A feed's contract as Open Data Contract Standard 3, YAML. :raises ConfigurationError: there is no such feed."""
    from open_data_contract_standard.model import (
        CustomProperty,
        Description,
        OpenDataContractStandard,
        SchemaObject,
        SchemaProperty,
        ServiceLevelAgreementProperty,
        Team,
    )

    source = loader.load(feed_id.partition(".")[0])
    feed = loader.feed(feed_id)
    mapping = compiler.load(feed.mapping.replace("/", "."))
    listed = terms(mapping)
    position = {name: n for n, name in enumerate((t.name for t in listed if t.key), 1)}
    properties = [
        SchemaProperty(
            name=t.name,
            businessName=t.zh or None,
            description=t.use or None,
            logicalType=_LOGICAL.get(t.type, t.type),
            physicalType=t.type,
            required=t.key,
            primaryKey=t.key or None,
            primaryKeyPosition=position.get(t.name),
            classification="personal" if t.personal else None,
            customProperties=[CustomProperty(property="codes", value={c: z for c, z in t.codes})] if t.codes else None,
        )
        for t in listed
    ]
    every = interval.parse(source.schedule)
    value, unit = (int(every.total_seconds()), "s") if every else (source.schedule, "cron")
    standard = OpenDataContractStandard(
        version=f"{mapping.version}.0.0",
        kind="DataContract",
        apiVersion="v3.0.2",
        id=f"urn:onemap:feed:{feed_id}",
        name=f"{source.name} · {feed.name}",
        status="active",
        domain="投资项目审批 investment projects",
        dataProduct=f"一张图 OneMap {VERSION}",
        description=Description(purpose=mapping.declaration.doc or feed.name),
        slaProperties=[
            ServiceLevelAgreementProperty(property="freshness", value=int(source.promise.total_seconds()), unit="s"),
            ServiceLevelAgreementProperty(property="frequency", value=value, unit=unit),
        ],
        team=Team(name=source.owner.department),
        schema=[SchemaObject(name=feed_id, businessName=feed.name, physicalName=feed.id, properties=properties)],
    )
    return standard.to_yaml()


def drafted(path: Path, feed_id: str) -> str:
    """A mapping drafted from a provider's Open Data Contract: names, labels and types, no values yet: every guess is a doubt.

    :raises ConfigurationError: the file is no such contract, or has no object.
    """
    from open_data_contract_standard.model import OpenDataContractStandard

    try:
        given = OpenDataContractStandard.from_file(str(path))
        (table, *_) = given.schema_ or []
    except Exception as error:
        raise ConfigurationError(
            f"{path}: no Open Data Contract with a schema: {type(error).__name__}: {str(error)[:200]}",
            remedy="give a contract of Open Data Contract Standard 3 with one object in its schema",
            zh=f"{path} 不是含 schema 的 Open Data Contract 3 文件。",
        ) from error
    columns = {
        p.name: ColumnProfile(p.name, 0, 0, 0, 0, label=p.businessName or "") for p in table.properties or [] if p.name
    }
    key = [p.name for p in table.properties or [] if p.primaryKey and p.name]
    seen = Profile(feed_id, 0, columns, keys=[key] if key else [])
    draft = propose.draft(seen, name=table.businessName or given.name or "", table=table.name or "", key=key)
    return write.mapping(draft, seen, day=f"{clock.today():%Y-%m-%d}")
