"""All tables, as SQLAlchemy metadata: landing, source, store, staging (docs/architecture.md).

The tables of the entities are made from ``schemas/entities/*.yaml``; everything else stands here. Every table and
column has a comment, Chinese first. The database itself is made by the migrations alone; a test holds both equal.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, TSMULTIRANGE

from schemas import entities as declared
from store.text import Box

LANDING, SOURCE, STORE, STAGING = "landing", "source", "store", "staging"
SCHEMAS = {
    LANDING: "落地区：批次、回执、隔离、问题 | what arrived: runs, receipts, quarantine, issues",
    SOURCE: "数源区：各来源记录的现行版本与历史 | each source's own version of every record, with its history",
    STORE: "统一库：归一后的实体及变更 | the unified store: golden rows and their changes",
    STAGING: "暂存区：处理中的批次 | batches on their way; emptied after each merge",
}

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    }
)


_TYPES: dict[str, Any] = {
    "text": sa.Text,
    "int": sa.BigInteger,
    "decimal": lambda: sa.Numeric(20, 6),
    "timestamp": sa.DateTime,
    "date": sa.Date,
    "bool": sa.Boolean,
    "json": JSONB,
    "geometry": sa.LargeBinary,
}


def entities() -> list[str]:
    """Names of the entities, sorted."""
    return sorted(declared.names())


def _comment(zh: str, en: str) -> str:
    return f"{zh} | {en}"


def _column(name: str, kind: Any, zh: str, en: str, **options: Any) -> sa.Column[Any]:
    args = options.pop("args", ())
    return sa.Column(name, kind, *args, comment=_comment(zh, en), **options)


def _id(zh: str = "编号", en: str = "number") -> sa.Column[Any]:
    return _column("id", sa.BigInteger, zh, en, args=(sa.Identity(always=True),), primary_key=True)


def _instant(name: str, zh: str, en: str, **options: Any) -> sa.Column[Any]:
    return _column(name, TIMESTAMP(timezone=True), zh, en, **options)


NOW = sa.func.now()


def entity_columns(entity: str) -> list[sa.Column[Any]]:
    """New columns of an entity as declared; a geometry brings its box, ``<name>_box``."""
    columns = []
    for name, column in declared.load(entity).columns.items():
        note = column.doc or name.replace("_", " ")
        if column.unit:
            note += f" [{column.unit}]"
        if column.personal:
            note += " (personal data 个人信息)"
        columns.append(_column(name, _TYPES[column.type](), column.zh, note))
        if column.type == "geometry":
            columns.append(_column(f"{name}_box", Box(), f"{column.zh}外接矩形", "bounding box, degrees"))
    return columns


def geometry_columns(entity: str) -> list[str]:
    """Names of an entity's geometry columns."""
    return [name for name, column in declared.load(entity).columns.items() if column.type == "geometry"]


# -- landing -----------------------------------------------------------------------------------------------------------

run = sa.Table(
    "run",
    metadata,
    _id("批次号", "run"),
    _column("source", sa.Text, "数源", "source", nullable=False),
    _column("feed", sa.Text, "数据流", "feed, <source>.<name>", nullable=False),
    _column("window_start", sa.DateTime, "窗口起", "start of the window, included; null: open"),
    _column("window_end", sa.DateTime, "窗口止", "end of the window, excluded; null: open"),
    _column("window_full", sa.Boolean, "是否全量", "the whole listing was asked for", nullable=False),
    _column("trigger", sa.Text, "触发方式", "cli, schedule, backfill, reconcile, redrive, remap", nullable=False),
    _column(
        "began", sa.DateTime, "本机时钟", "the hub's own clock at the start, local time; started_at is the database's"
    ),
    _instant("started_at", "开始时间", "started", nullable=False, server_default=NOW),
    _instant("ended_at", "结束时间", "ended; null: running, or killed"),
    _column(
        "outcome",
        sa.Text,
        "结果",
        "running, ok, failed, held (a gate waits for a person), waiting",
        nullable=False,
        server_default="running",
    ),
    _column("phase", sa.Text, "所在环节", "the phase that it reached"),
    _column("fault", sa.Text, "责任归属", "whose duty: configuration, authentication, transient, provider, ours"),
    _column("code", sa.Text, "错误代码", "the error's class or code"),
    _column("error", sa.Text, "错误", "what happened, English, without secrets"),
    _column("remedy", sa.Text, "处置建议", "what to do, English"),
    _column("zh", sa.Text, "中文说明", "the whole in Chinese"),
    *(
        _column(name, sa.BigInteger, zh, en, nullable=False, server_default="0")
        for name, zh, en in (
            ("rows_in", "流入行数", "rows decoded + rejects of decoding"),
            ("new", "新增", "records not known before"),
            ("changed", "变更", "records with a newer version"),
            ("history", "历史版本", "older versions, stored"),
            ("unchanged", "未变", "known already, or said twice"),
            ("quarantined", "隔离", "rejected rows"),
            ("tombstoned", "来源注销", "the source says that the record is gone"),
            ("absent", "缺席注销", "deletions by proven absence; they did not come in"),
            ("bytes", "字节数", "bytes received"),
            ("payloads", "报文数", "answers, pages or files received"),
        )
    ),
    _column("complete", sa.Boolean, "是否完整", "the source's proof that the window was read in full"),
    _column("why", sa.Text, "完整性依据", "how completeness is known"),
    _column("claimed", sa.BigInteger, "来源声称条数", "what the source says it has"),
    _column("distinct_keys", sa.BigInteger, "不同键数", "distinct keys that came"),
    _column("mapping_version", sa.Integer, "映射版本", "version of the mapping"),
    _column("code_version", sa.Text, "程序版本", "version of the hub"),
    _column("process", sa.Text, "进程", "host and process id"),
    _column(
        "listing",
        sa.Boolean,
        "是否完整清单",
        "a complete listing of a feed whose records vanish with it: what it lacks is gone",
    ),
    _instant("journaled_at", "入册时间", "when the run was written to the journal of the archive"),
    sa.Index(None, "feed", "started_at"),
    sa.Index("run_open_ix", "feed", postgresql_where=sa.text("ended_at is null")),
    sa.Index("run_unjournaled_ix", "id", postgresql_where=sa.text("journaled_at is null and ended_at is not null")),
    schema=LANDING,
    comment=_comment("批次：对一个数据流一个窗口的一次尝试", "one try at one (feed, window)"),
)

receipt = sa.Table(
    "receipt",
    metadata,
    _id("回执号", "receipt; grows with the time of receipt"),
    _column(
        "run_id", sa.BigInteger, "批次", "run", args=(sa.ForeignKey("landing.run.id"),), nullable=False, index=True
    ),
    _column("source", sa.Text, "数源", "source", nullable=False),
    _column("feed", sa.Text, "数据流", "feed", nullable=False),
    _column("window_start", sa.DateTime, "窗口起", "start of the window"),
    _column("window_end", sa.DateTime, "窗口止", "end of the window"),
    _column("window_full", sa.Boolean, "是否全量", "the whole listing was asked for", nullable=False),
    _column("request", JSONB, "请求", "what was asked, without secrets", nullable=False),
    _column("sha256", sa.Text, "报文摘要", "SHA-256 of the bytes; their name in the archive", nullable=False),
    _column("size", sa.BigInteger, "大小", "bytes as received", nullable=False),
    _column("media_type", sa.Text, "媒体类型", "media type", nullable=False),
    _column("started_at", sa.DateTime, "请求时间", "when it was asked, local time", nullable=False),
    _column("finished_at", sa.DateTime, "收到时间", "when it was there, local time", nullable=False),
    _column("facts", JSONB, "报文要素", "what the wire said: page, total, file name, etag", nullable=False),
    _column("signature", sa.Text, "验签结论", "verdict on the answer's signature, where it has one"),
    _column(
        "scopes", ARRAY(sa.Text), "替换范围", "parts that it stands for wholly (docs/architecture.md, Replacement)"
    ),
    _instant("archived_at", "归档时间", "when the bytes were safe", nullable=False, server_default=NOW),
    _instant("dropped_at", "清理时间", "when the bytes left the archive at the end of their keeping"),
    sa.Index(None, "feed", "id"),
    sa.Index(None, "sha256"),
    schema=LANDING,
    comment=_comment("回执：一份归档的报文", "one archived payload"),
)

completed = sa.Table(
    "completed",
    metadata,
    _column("feed", sa.Text, "数据流", "feed", primary_key=True),
    _column(
        "intervals",
        TSMULTIRANGE,
        "已完成区间",
        "what was read in full, as a set of half-open intervals",
        nullable=False,
        server_default="{}",
    ),
    _column("full_at", sa.DateTime, "最近全量时间", "start of the latest complete full listing, local time"),
    _column(
        "read_at",
        sa.DateTime,
        "读至",
        "up to when the source was last read in full, local time; freshness is judged by it",
    ),
    _column("run_id", sa.BigInteger, "批次", "the run that said so last", args=(sa.ForeignKey("landing.run.id"),)),
    _instant("updated_at", "更新时间", "updated", nullable=False, server_default=NOW),
    schema=LANDING,
    comment=_comment("已完成区间", "completed intervals of each feed"),
)

feed_state = sa.Table(
    "feed_state",
    metadata,
    _column("feed", sa.Text, "数据流", "feed", primary_key=True),
    _column("state", JSONB, "连接器状态", "the connector's own, given to its next fetch", nullable=False),
    _column("run_id", sa.BigInteger, "批次", "run", args=(sa.ForeignKey("landing.run.id"),)),
    _instant("updated_at", "更新时间", "updated", nullable=False, server_default=NOW),
    schema=LANDING,
    comment=_comment("数据流状态", "state of each feed's connector"),
)

journal = sa.Table(
    "journal",
    metadata,
    _column("store", sa.Uuid, "库标识", "names the store in the archive", primary_key=True),
    _column("decisions", sa.Text, "人工决定摘要", "SHA-256 of the decisions of persons as they were last written"),
    _instant("updated_at", "更新时间", "updated", nullable=False, server_default=NOW),
    schema=LANDING,
    comment=_comment("归档日志", "the journal in the archive that this store writes; one row"),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    _id("隔离号", "entry"),
    _column("feed", sa.Text, "数据流", "feed", nullable=False),
    _column("record_key", sa.Text, "记录键", "key of the record, where it could be read"),
    _column(
        "fingerprint",
        sa.LargeBinary,
        "指纹",
        "SHA-256 of key and row: the same row said again is one entry",
        nullable=False,
    ),
    _column("raw", JSONB, "原始行", "the row as decoded: an object; or the text that could not be decoded"),
    _column(
        "run_id",
        sa.BigInteger,
        "批次",
        "the latest run that rejected it",
        args=(sa.ForeignKey("landing.run.id"),),
        nullable=False,
        index=True,
    ),
    _column("receipt_id", sa.BigInteger, "回执", "receipt", args=(sa.ForeignKey("landing.receipt.id"),)),
    _column("place", sa.Text, "位置", "where in the payload"),
    _column("scope", sa.Text, "替换范围", "the part of the payload that said it, where parts are sent again wholly"),
    _column("source_time", sa.DateTime, "来源时间", "business time of the version, where it could be read"),
    _column("reasons", JSONB, "原因", "every reason: [{code, field, message, value}]", nullable=False),
    _column("mapping_version", sa.Integer, "映射版本", "version of the mapping"),
    _column("state", sa.Text, "状态", "open, redriven, dismissed, superseded", nullable=False, server_default="open"),
    _column("seen", sa.Integer, "出现次数", "how many runs rejected it", nullable=False, server_default="1"),
    _instant("opened_at", "隔离时间", "first rejected", nullable=False, server_default=NOW),
    _instant("seen_at", "最近出现", "last rejected", nullable=False, server_default=NOW),
    _instant("closed_at", "关闭时间", "closed"),
    _column("closed_by", sa.Text, "关闭人", "who closed it: a person, or the run that did"),
    _column("note", sa.Text, "说明", "why it was closed"),
    sa.CheckConstraint("state in ('open', 'redriven', 'dismissed', 'superseded')", name="state"),
    sa.UniqueConstraint("feed", "fingerprint"),
    sa.Index(  # hashed: a key that is refused for its length has to be found as well
        "quarantine_open_key_ix", "record_key", postgresql_using="hash", postgresql_where=sa.text("state = 'open'")
    ),
    schema=LANDING,
    comment=_comment("隔离区：被拒收的行及全部原因", "rejected rows with every reason"),
)

issue = sa.Table(
    "issue",
    metadata,
    _id("问题号", "issue"),
    _column("code", sa.Text, "问题代码", "as in quality/issues.yaml", nullable=False),
    _column("severity", sa.Text, "严重程度", "info, warning, error", nullable=False),
    _column("duty", sa.Text, "责任归属", "whose duty", nullable=False),
    _column("feed", sa.Text, "数据流", "feed", nullable=False),
    _column("record", sa.Text, "记录键", "record"),
    _column("field", sa.Text, "字段", "field"),
    _column("detail", sa.Text, "详情", "detail", nullable=False, server_default=""),
    _column("fingerprint", sa.LargeBinary, "指纹", "SHA-256 of code, record, field, detail", nullable=False),
    _column("run_id", sa.BigInteger, "批次", "the latest run that saw it", args=(sa.ForeignKey("landing.run.id"),)),
    _instant("first_seen_at", "首次出现", "first seen", nullable=False, server_default=NOW),
    _instant("last_seen_at", "最近出现", "last seen", nullable=False, server_default=NOW),
    _column("count", sa.BigInteger, "次数", "how often", nullable=False, server_default="1"),
    sa.UniqueConstraint("feed", "fingerprint"),
    sa.Index(None, "feed", "code"),
    schema=LANDING,
    comment=_comment("问题：应告知而不阻断的情形", "what is to be told though it stopped nothing"),
)

hold = sa.Table(
    "hold",
    metadata,
    _id("待决号", "hold"),
    _column("feed", sa.Text, "数据流", "feed", nullable=False, index=True),
    _column(
        "run_id",
        sa.BigInteger,
        "批次",
        "the run that was held",
        args=(sa.ForeignKey("landing.run.id"),),
        nullable=False,
    ),
    _column("would_delete", sa.BigInteger, "拟注销数", "records that would be deleted", nullable=False),
    _column("stored", sa.BigInteger, "在库数", "records of the feed that stood at the time", nullable=False),
    _column("sample", JSONB, "样例", "some of their keys", nullable=False),
    _instant("opened_at", "提请时间", "opened", nullable=False, server_default=NOW),
    _column("decision", sa.Text, "决定", "released, refused, lapsed (the data no longer ask for it); null: waiting"),
    _instant("decided_at", "决定时间", "decided"),
    _column("decided_by", sa.Text, "决定人", "who decided"),
    _column("note", sa.Text, "理由", "why"),
    _column(
        "used_by",
        sa.BigInteger,
        "执行批次",
        "the run that deleted under this release",
        args=(sa.ForeignKey("landing.run.id"),),
    ),
    sa.CheckConstraint("decision in ('released', 'refused', 'lapsed')", name="decision"),
    schema=LANDING,
    comment=_comment("待决：大批注销须经人工确认", "mass deletions that wait for a person"),
)

reconciliation = sa.Table(
    "reconciliation",
    metadata,
    _id("对账号", "reconciliation"),
    _column("feed", sa.Text, "数据流", "feed", nullable=False, index=True),
    _column(
        "run_id",
        sa.BigInteger,
        "批次",
        "the run that read the listing and merged what was missing",
        args=(sa.ForeignKey("landing.run.id"),),
    ),
    _instant("started_at", "开始时间", "started", nullable=False, server_default=NOW),
    _instant("ended_at", "结束时间", "ended"),
    _column("outcome", sa.Text, "结论", "equal, mended, different, failed", nullable=False),
    _column("complete", sa.Boolean, "清单是否完整", "the listing was complete", nullable=False),
    _column("claimed", sa.BigInteger, "来源声称条数", "what the source says it has"),
    _column("listed", sa.BigInteger, "清单键数", "distinct keys in the listing", nullable=False),
    _column("stored", sa.BigInteger, "在库键数", "live records before", nullable=False),
    _column("missing", sa.BigInteger, "缺少", "in the listing, not in the store: merged late", nullable=False),
    _column("different", sa.BigInteger, "内容不同", "in both, another content: merged late", nullable=False),
    _column("extra", sa.BigInteger, "多出", "in the store, not in the listing", nullable=False),
    _column("detail", JSONB, "详情", "some keys of each kind", nullable=False),
    schema=LANDING,
    comment=_comment("对账：与来源清单逐键核对", "comparison of the store with a source's complete listing"),
)

arrival_day = sa.Table(
    "arrival_day",
    metadata,
    # a row an hour would repeat the names of its series and their index entry: three times what is counted
    _column("feed", sa.Text, "数据流", "feed", primary_key=True),
    _column(
        "kind",
        sa.Text,
        "口径",
        "feed (the whole, by the hour), department, town, item, event, column (where it is filled), by the day",
        primary_key=True,
    ),
    _column(
        "part",
        sa.Text,
        "部分",
        "which department, town, item, event or entity.column; empty of the whole",
        primary_key=True,
    ),
    _column("came", sa.Date, "到达日", "day on which the hub received them", primary_key=True),
    _column(
        "at",
        ARRAY(sa.DateTime),
        "内容时间",
        "hours or days that the rows speak of, local time, ascending",
        nullable=False,
    ),
    _column("rows", ARRAY(sa.BigInteger), "行数", "versions not known before, of each time", nullable=False),
    schema=LANDING,
    comment=_comment(
        "到达：各数据流按内容时间的到达量，每到达日一行",
        "how much arrived, by the time that it speaks of: a row a day of receipt; the view arrival shows each time as a row",
    ),
)

silence = sa.Table(
    "silence",
    metadata,
    _id("静默号", "silence"),
    _column("feed", sa.Text, "数据流", "feed; a source's id where the whole source is silent", nullable=False),
    _column("kind", sa.Text, "口径", "source, feed, department, town, item, event, column", nullable=False),
    _column("part", sa.Text, "部分", "which; empty of the whole", nullable=False),
    _column("since", sa.DateTime, "静默起", "the last time that its content speaks of, local time", nullable=False),
    _column("found_at", sa.DateTime, "发现时间", "when it was found, local time", nullable=False),
    _column("basis", sa.Text, "依据", "rhythm, declared, witness", nullable=False),
    _column("text", sa.Text, "说明", "what is usual and what is missing, in Chinese", nullable=False),
    _column("ended_at", sa.DateTime, "恢复时间", "when it spoke again, local time; null: silent"),
    _column("approved_until", sa.Date, "认可至", "a person says that the silence is right, up to this day"),
    _column("approved_by", sa.Text, "认可人", "who said so"),
    _column("note", sa.Text, "理由", "why it is right"),
    _instant("approved_at", "认可时间", "when it was said"),
    sa.Index("silence_open_ix", "feed", "kind", "part", unique=True, postgresql_where=sa.text("ended_at is null")),
    schema=LANDING,
    comment=_comment("静默：应有数据而没有的时段", "times without data that should have come"),
)

silence_notice = sa.Table(
    "silence_notice",
    metadata,
    _column("silence", sa.BigInteger, "静默号", "silence", primary_key=True, autoincrement=False),
    _column("ended", sa.Boolean, "恢复", "told of its end; else of its beginning", primary_key=True),
    _column("recipient", sa.Text, "接收人", "code of a department; *: operations", primary_key=True),
    _column("way", sa.Text, "方式", "mail, webhook", primary_key=True),
    _instant("at", "通知时间", "when it began to be sent; taken back where that failed", nullable=False),
    schema=LANDING,
    comment=_comment("静默通知：谁已获知静默与恢复", "who was told of silences and of their ends"),
)

# -- source ------------------------------------------------------------------------------------------------------------

record = sa.Table(
    "record",
    metadata,
    _id("记录号", "record"),
    _column("feed", sa.Text, "数据流", "feed", nullable=False),
    _column("record_key", sa.Text, "记录键", "the source's key, its parts joined by |", nullable=False),
    _column(
        "raw",
        sa.LargeBinary,
        "原始行",
        "the current version as decoded, empty fields dropped: JSON, packed by store/rawrow.py",
        nullable=False,
    ),
    _column(
        "content_hash",
        sa.LargeBinary,
        "内容摘要",
        "SHA-256 of the row as mapped, in one canonical form",
        nullable=False,
    ),
    _column("source_time", sa.DateTime, "来源时间", "business time of the version; null: the feed has none"),
    _column("rank", sa.BigInteger, "次序", "order of versions of equal time"),
    _column("receipt_id", sa.BigInteger, "回执", "receipt that brought it", nullable=False),
    _column("place", sa.Text, "位置", "where in the payload"),
    _column("run_id", sa.BigInteger, "批次", "run that wrote it", nullable=False),
    _column("mapping_version", sa.Integer, "映射版本", "version of the mapping of its entity rows", nullable=False),
    _column("code_version", sa.Text, "程序版本", "version of the hub", nullable=False),
    _instant("recorded_at", "入库时间", "when this version became current", nullable=False, server_default=NOW),
    _instant("tombstoned_at", "注销时间", "since when it is gone; null: it stands"),
    _column(
        "tombstone",
        sa.Text,
        "注销依据",
        "said (by the source), absent (from a complete listing), replaced (its part was), remapped",
    ),
    _column(
        "gone_receipt",
        sa.BigInteger,
        "注销时回执",
        "last receipt before its absence was proven: what is older revives nothing",
    ),
    _instant(
        "refused_at", "搁置时间", "since when unify cannot take this version: its rows are out, quarantine says why"
    ),
    sa.UniqueConstraint("feed", "record_key"),
    sa.Index("record_refused_ix", "feed", postgresql_where=sa.text("refused_at is not null")),
    sa.Index("record_gone_ix", "feed", postgresql_where=sa.text("tombstoned_at is not null")),
    schema=SOURCE,
    comment=_comment("记录：来源记录的现行版本", "the current version of a source's record"),
)

raw_dictionary = sa.Table(
    "raw_dictionary",
    metadata,
    _column(
        "id", sa.Integer, "字典号", "as the frames name it", args=(sa.Identity(start=32768),), primary_key=True
    ),  # zstd keeps smaller numbers for itself
    _column("feed", sa.Text, "数据流", "feed whose rows it was made from", nullable=False, index=True),
    _column(
        "dictionary", sa.LargeBinary, "字典", "zstd dictionary; rows packed with it need it for ever", nullable=False
    ),
    _instant("made_at", "生成时间", "made", nullable=False, server_default=NOW),
    schema=SOURCE,
    comment=_comment("原始行压缩字典", "dictionaries that raw rows are packed with"),
)

record_history = sa.Table(
    "record_history",
    metadata,
    _id("历史号", "entry"),
    _column("record_id", sa.BigInteger, "记录", "record", nullable=False),
    _column("raw", sa.LargeBinary, "原始行", "the version as decoded: JSON, packed by store/rawrow.py", nullable=False),
    _column("content_hash", sa.LargeBinary, "内容摘要", "as in record", nullable=False),
    _column("source_time", sa.DateTime, "来源时间", "business time"),
    _column("rank", sa.BigInteger, "次序", "order of versions of equal time"),
    _column("said_gone", sa.Boolean, "是否注销", "the version says that the record is gone", nullable=False),
    _column("receipt_id", sa.BigInteger, "回执", "receipt that brought it", nullable=False),
    _column("place", sa.Text, "位置", "where in the payload"),
    _column("run_id", sa.BigInteger, "批次", "run that brought it", nullable=False),
    _column("mapping_version", sa.Integer, "映射版本", "version of the mapping", nullable=False),
    _instant("recorded_at", "入库时间", "when the hub learned of it", nullable=False, server_default=NOW),
    _instant("superseded_at", "被取代时间", "when it ceased to be current; null: it never was"),
    _instant("withdrawn_at", "撤回时间", "when the part that said it was sent again without it; null: it counts"),
    sa.UniqueConstraint("record_id", "source_time", "rank", "content_hash", postgresql_nulls_not_distinct=True),
    schema=SOURCE,
    comment=_comment("历史版本：迟到的旧版本亦在内", "every other version seen, older ones that arrive late too"),
)

absence = sa.Table(
    "absence",
    metadata,
    _id("缺席号", "entry"),
    _column("record_id", sa.BigInteger, "记录", "record", nullable=False, index=True),
    _column("reason", sa.Text, "依据", "absent, replaced, remapped", nullable=False),
    _column("run_id", sa.BigInteger, "批次", "run that proved it", nullable=False),
    _instant("gone_at", "注销时间", "gone", nullable=False, server_default=NOW),
    _instant("back_at", "恢复时间", "came back; null: still gone"),
    schema=SOURCE,
    comment=_comment("缺席：由完整清单证明的注销及恢复", "deletions proven by absence, and returns"),
)

version_scope = sa.Table(
    "version_scope",
    metadata,
    _column("record_id", sa.BigInteger, "记录", "record", nullable=False),
    _column("source_time", sa.DateTime, "来源时间", "of the version"),
    _column("rank", sa.BigInteger, "次序", "of the version"),
    _column("content_hash", sa.LargeBinary, "内容摘要", "of the version", nullable=False),
    _column("feed", sa.Text, "数据流", "feed", nullable=False),
    _column("scope", sa.Text, "替换范围", "a part that says this version", nullable=False),
    _column("receipt_id", sa.BigInteger, "回执", "the part's receipt that said it last", nullable=False),
    sa.UniqueConstraint(
        "record_id",
        "source_time",
        "rank",
        "content_hash",
        "scope",
        postgresql_nulls_not_distinct=True,
        name="version_scope_uq",
    ),
    sa.Index(None, "feed", "scope"),
    schema=SOURCE,
    comment=_comment("版本所在范围：整份替换的数据流", "which parts say a version, where parts are sent again wholly"),
)


#: Keys by which source rows of one entity find each other (store/identity.py, store/fold.py); others are found by their record.
_LOOKED_UP = {("channel", "case_no"), ("project_code",)}
#: By what a row of another entity names, rows that depend on it are found (store/unify.py, store/resolve.py).
_NAMED = {
    "case": ("project_code", "engineering_code", "applicant_id"),
    "licence": ("project_code", "engineering_code", "certificate_id"),
}


def _filled(*names: str) -> sa.Index:
    """An index of rows whose last column is filled: nothing is looked for by its absence, and most rows lack some of them."""
    return sa.Index(None, *names, postgresql_where=sa.text(f"{names[-1]} is not null"))


def _source_table(entity: str) -> sa.Table:
    about = declared.load(entity)
    columns = entity_columns(entity)
    names = {column.name for column in columns}
    key = [name for name in about.key if name in names]
    if len(key) < len(about.key):  # its own id is made by identity; sources know the case by its number
        key = [name for name in ("channel", "case_no") if name in names]
    return sa.Table(
        entity,
        metadata,
        _column("record_id", sa.BigInteger, "记录", "source.record", primary_key=True, autoincrement=False),
        _column("ord", sa.Integer, "序号", "which of the rows that the record maps to", primary_key=True),
        _column("feed", sa.Text, "数据流", "feed", nullable=False),
        *columns,
        *([_filled(*key)] if tuple(key) in _LOOKED_UP else []),
        *(_filled(name) for name in ("municipal_no", "department_no") if name in names),
        *(_filled(name) for name in _NAMED.get(entity, ())),  # what depends on a row of another entity
        *(
            (sa.Index("licence_normal_number_ix", sa.text("store.normal_number(number)")),)
            if entity == "licence"
            else ()
        ),
        schema=SOURCE,
        comment=_comment(f"{about.zh}（数源）", f"{entity} as each source tells it, current versions that stand"),
    )


def _box_indexes(entity: str) -> list[sa.Index]:
    return [sa.Index(None, f"{name}_box", postgresql_using="gist") for name in geometry_columns(entity)]


# -- store -------------------------------------------------------------------------------------------------------------


#: Whose rows hang on a case, by ``case_id``.
OF_A_CASE = ("case_event", "special_procedure", "material")


def _golden_extras(entity: str) -> list[sa.Column[Any]]:
    written = [
        _column("item_code_written", sa.Text, "事项编码（原文）", "item code as written"),
        _column("project_code_written", sa.Text, "项目代码（原文）", "project code as written"),
    ]
    case_id = _column("case_id", sa.Text, "办件", "store.case", index=True)
    if entity == "case":
        return [
            _column("channels", ARRAY(sa.Text), "全部来源系统", "every channel that knows the case"),
            *written,
            _column(
                "project_link", sa.Text, "项目关联方式", "written, engineering, crosswalk, identity; null: unlinked"
            ),
        ]
    if entity == "licence":
        return [case_id, *written]
    if entity in OF_A_CASE:
        return [case_id]
    return []


def _quoted(entity: str) -> list[sa.Index]:
    """By these what a licence of one project quotes is found (supervision/read.py), wherever it stands."""
    numbers = {
        "licence": ("licence_normal_number_ix", "number"),
        "case": ("case_normal_licence_no_ix", "licence_no"),
        "land_approval": ("land_approval_normal_no_ix", "approval_no"),
    }
    made = (
        [sa.Index("licence_project_or_none_ix", sa.text("coalesce(project_code, '')"))] if entity == "licence" else []
    )
    if entity in numbers:
        name, column = numbers[entity]
        # a case's 文号 may be a note of any length: asked for equality alone, it is hashed
        using = "hash" if entity == "case" else "btree"
        made.append(sa.Index(name, sa.text(f"store.normal_number({column})"), postgresql_using=using))
    return made


def _row_security() -> list[sa.Index]:
    """By these a department finds its cases, and whether it has one in a project (serving/sql/views.py)."""
    standing = sa.text("gone_at is null")
    return [
        sa.Index(None, "department_code"),
        sa.Index("case_in_project_ix", "project_code", "department_code", "item_code", postgresql_where=standing),
    ]


#: Columns of golden rows that few of them fill.
_RARE = {"case": ("engineering_code",), "licence": ("engineering_code", "case_no")}


def _golden_table(entity: str) -> sa.Table:
    about = declared.load(entity)
    columns = entity_columns(entity)
    names = {column.name for column in columns}
    lookups = [
        name
        for name in ("project_code", "case_no", "number", "engineering_code", "item_code", "applicant_uscc")
        if name in names and not (name == "case_no" and entity in OF_A_CASE)  # those are found by their case
    ]
    return sa.Table(
        entity,
        metadata,
        _column("id", sa.Text, "编号", "+".join(about.key) + ", joined by | where there are several", primary_key=True),
        *columns,
        *_golden_extras(entity),
        _column(
            "provenance",
            JSONB,
            "字段来源",
            "column -> feed and record key; *: every column that is not named",
            nullable=False,
            server_default="{}",
        ),
        _column(
            "content_hash",
            sa.LargeBinary,
            "内容摘要",
            "hash of the columns above: compared with the same row's own alone",
            nullable=False,
        ),
        # not updated_at: some entities have a column of that name, the source's own time
        _instant("changed_at", "变更时间", "when the content last changed", nullable=False, server_default=NOW),
        _instant("gone_at", "注销时间", "since when no source holds it; null: it stands"),
        *(_filled(name) if name in _RARE.get(entity, ()) else sa.Index(None, name) for name in lookups),
        *(_row_security() if entity == "case" else ()),
        *_quoted(entity),
        *_box_indexes(entity),
        schema=STORE,
        comment=_comment(about.zh, f"{about.doc.strip()} Golden rows."),
    )


dirty = sa.Table(
    "dirty",
    metadata,
    # no index: it is written on every merge's way and read whole
    _column("seq", sa.BigInteger, "序号", "order", args=(sa.Identity(always=True),), nullable=False),
    _column("record_id", sa.BigInteger, "记录", "a record whose current version changed", nullable=False),
    _column("feed", sa.Text, "数据流", "feed", nullable=False),
    _column("run_id", sa.BigInteger, "批次", "run", nullable=False),
    _instant("at", "时间", "when", nullable=False, server_default=NOW),
    _column(
        "fresh",
        sa.Boolean,
        "是否新记录",
        "the record was not known before: no golden row rests on it",
        nullable=False,
        server_default=sa.false(),
    ),
    _column(
        "upto",
        sa.BigInteger,
        "止于记录",
        "every record of the feed from record_id up to this one; null: that one alone",
    ),
    schema=STORE,
    comment=_comment("待归一：已变更而尚未归一的记录", "changed records that unify has not yet taken"),
)

unfolded = sa.Table(
    "unfolded",
    metadata,
    # no index: it is read whole, and empty between two runs
    _column(
        "entity",
        sa.Text,
        "实体",
        "whose golden rows have to follow; feed: it is asked whether it made any",
        nullable=False,
    ),
    _column("record_id", sa.BigInteger, "记录", "a record whose rows were identified"),
    _column("id", sa.Text, "编号", "a golden row that depends on what changed; a feed"),
    _column("fresh", sa.Boolean, "是否新记录", "as in dirty", nullable=False, server_default=sa.false()),
    _column("part", sa.Integer, "分区", "records of unlike numbers may be folded side by side; null: with all others"),
    schema=STORE,
    comment=_comment("待合成：已归一而统一行尚未更新", "what unify has identified and not yet folded"),
)

case_member = sa.Table(
    "case_member",
    metadata,
    _column("channel", sa.Text, "来源系统", "channel of the node", primary_key=True),
    _column("case_no", sa.Text, "办件编号", "the node's number in its channel", primary_key=True),
    _column("case_id", sa.Text, "办件", "store.case that the node belongs to", nullable=False, index=True),
    _column("why", sa.Text, "依据", "self, municipal_no, department_no, case_no, judgement", nullable=False),
    _column(
        "evidence",
        JSONB,
        "证据",
        "the rows that joined it: [{feed, record_key, field}]",
        nullable=False,
        server_default="[]",
    ),
    _column("judgement_id", sa.BigInteger, "判定", "store.identity_judgement, where a judgement decided"),
    _instant("joined_at", "归入时间", "since when", nullable=False, server_default=NOW),
    schema=STORE,
    comment=_comment("办件成员：各系统办件号归入同一办件", "which numbers of which systems are one case"),
)

member = sa.Table(
    "member",
    metadata,
    # a row a source row, and half of what a record costs if whole keys were indexed: found by record, or by a hash of the id
    _column("entity", sa.Text, "实体", "entity", nullable=False),
    _column("record_id", sa.BigInteger, "记录", "source.record", nullable=False),
    _column("ord", sa.Integer, "序号", "which of the rows that the record maps to", nullable=False),
    _column("id", sa.Text, "编号", "id of the golden row that it speaks of", nullable=False),
    sa.Index(None, "record_id"),
    sa.Index(None, "id", postgresql_using="hash"),
    schema=STORE,
    comment=_comment(
        "成员：数源行归入哪一统一行", "which golden row each source row speaks of: lineage, and what a change touches"
    ),
)

item_code = sa.Table(
    "item_code",
    metadata,
    _column("code", sa.Text, "编码", "any code that means the item", primary_key=True),
    _column("item_code", sa.Text, "事项编码", "item", primary_key=True),
    _column("valid_from", sa.Date, "生效日", "first day", primary_key=True, server_default="-infinity"),
    _column(
        "valid_to", sa.Date, "失效日", "first day that it means it no more", nullable=False, server_default="infinity"
    ),
    schema=STORE,
    comment=_comment("事项编码对照：编码、别名在其生效期内指哪一事项", "which item a code or alias means, and when"),
)

project_alias = sa.Table(
    "project_alias",
    metadata,
    _column("alias", sa.Text, "别名", "a project code as written, or an id merged away", primary_key=True),
    _column("project_id", sa.Text, "项目", "store.project that it means now", nullable=False, index=True),
    _column("why", sa.Text, "依据", "merged, normalised, judgement", nullable=False),
    _column("judgement_id", sa.BigInteger, "判定", "store.identity_judgement, where a judgement decided"),
    _instant("since", "起始时间", "since when", nullable=False, server_default=NOW),
    schema=STORE,
    comment=_comment("项目别名：合并后的编号转向", "codes that mean a project; merged ids redirect"),
)

identity_judgement = sa.Table(
    "identity_judgement",
    metadata,
    _id("判定号", "judgement"),
    _column("entity", sa.Text, "实体", "case, project, parcel, licence", nullable=False),
    _column("left_id", sa.Text, "甲", "one of the two; of a project the code as written", nullable=False),
    _column(
        "right_id", sa.Text, "乙", "the other, left_id < right_id; of a project the one that is meant", nullable=False
    ),
    _column("verdict", sa.Text, "结论", "same, different, unsure", nullable=False),
    _column("rule", sa.Text, "规则", "the rule that judged; null: a person did"),
    _column("score", sa.Numeric, "把握", "0 to 1"),
    _column("evidence", JSONB, "证据", "what spoke for it", nullable=False, server_default="{}"),
    _column("judged_by", sa.Text, "判定人", "a person's account, or system", nullable=False),
    _instant("judged_at", "判定时间", "when", nullable=False, server_default=NOW),
    _instant("undone_at", "撤销时间", "when it was undone; null: in force"),
    _column("undone_by", sa.Text, "撤销人", "who undid it"),
    _column("note", sa.Text, "说明", "why"),
    sa.CheckConstraint("verdict in ('same', 'different', 'unsure')", name="verdict"),
    sa.CheckConstraint("entity = 'project' or left_id < right_id", name="order"),
    sa.Index(
        "identity_judgement_in_force_uq",
        "entity",
        "left_id",
        "right_id",
        "judged_by",
        unique=True,
        postgresql_where=sa.text("undone_at is null"),
    ),
    schema=STORE,
    comment=_comment("同一性判定：可否决、可撤销", "judgements of sameness: can be refused and undone, never deleted"),
)

change = sa.Table(
    "change",
    metadata,
    _column(
        "seq", sa.BigInteger, "序号", "place in the feed of changes", args=(sa.Identity(always=True),), primary_key=True
    ),
    _column("entity", sa.Text, "实体", "entity", nullable=False),
    _column("entity_id", sa.Text, "编号", "id of the golden row", nullable=False),
    _column("op", sa.Text, "操作", "ADD, MOD, DEL", nullable=False),
    _column("columns", ARRAY(sa.Text), "变更字段", "columns that changed"),
    _column("sources", ARRAY(sa.Text), "来源", "feeds that the change came from"),
    _instant("at", "时间", "when", nullable=False, server_default=NOW),
    # seq is drawn before the commit: a reader that stops at the oldest transaction still running skips nothing
    _column(
        "xid",
        sa.BigInteger,
        "事务号",
        "transaction that wrote it; readers stop before the oldest one running",
        nullable=False,
        server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
    ),
    _column("before", JSONB, "变更前", "values before, where the feed tells them"),
    _column("after", JSONB, "变更后", "values after, where the feed tells them"),
    sa.CheckConstraint("op in ('ADD', 'MOD', 'DEL')", name="op"),
    # the few changes of a row beside its first, which every row has and nobody looks for
    sa.Index(
        None,
        "entity_id",
        postgresql_using="hash",
        postgresql_where=sa.text("op <> 'ADD' or before is not null"),
    ),
    sa.Index(None, "xid", "seq"),  # the order in which readers follow
    sa.Index("change_at_ix", "at", postgresql_using="brin"),
    schema=STORE,
    comment=_comment("变更流", "the feed of changes"),
)

change_batch = sa.Table(
    "change_batch",
    metadata,
    _column("first", sa.BigInteger, "首序号", "number of its first change, as in change", nullable=False),
    _column(
        "last",
        sa.BigInteger,
        "末序号",
        "number of its last; none is missing between",
        primary_key=True,
        autoincrement=False,
    ),
    _column("entity", sa.Text, "实体", "entity", nullable=False),
    _column("ids", ARRAY(sa.Text), "编号", "ids of the golden rows, by number", nullable=False),
    _column("sources", ARRAY(sa.Text), "来源", "feeds that each of them came from"),
    _instant("at", "时间", "when", nullable=False, server_default=NOW),
    _column(
        "xid",
        sa.BigInteger,
        "事务号",
        "as in change",
        nullable=False,
        server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
    ),
    sa.Index(None, "xid", "first"),
    schema=STORE,
    comment=_comment("变更流批量新增", "rows that a load added many at a time: the view changes shows each as an ADD"),
)

audit = sa.Table(
    "audit",
    metadata,
    _column("seq", sa.BigInteger, "序号", "place in the chain, without gaps", primary_key=True, autoincrement=False),
    _instant("at", "时间", "when", nullable=False, server_default=sa.func.clock_timestamp()),
    _column("actor", sa.Text, "主体", "who: account, application or system", nullable=False),
    _column("action", sa.Text, "操作", "what: read, decide, release, dismiss, dispatch …", nullable=False),
    _column("object", sa.Text, "对象", "of what", nullable=False),
    _column(
        "detail", JSONB, "详情", "parameters, number of rows; never personal data", nullable=False, server_default="{}"
    ),
    _column("previous", sa.LargeBinary, "前链值", "digest of the entry before", nullable=False),
    _column("digest", sa.LargeBinary, "链值", "SHA-256 of this entry and the one before", nullable=False),
    schema=STORE,
    comment=_comment("审计日志：哈希链，不可改", "the audit log, a chain of digests"),
)

audit_seal = sa.Table(
    "audit_seal",
    metadata,
    _column("seq", sa.BigInteger, "序号", "the entry", primary_key=True, autoincrement=False),
    _column("key_id", sa.Text, "密钥标识", "which key", nullable=False),
    _column("seal", sa.LargeBinary, "封印", "HMAC-SHA256 of number and digest", nullable=False),
    schema=STORE,
    comment=_comment("审计封印：数据库之外的密钥", "HMAC of each entry by a key outside of the database"),
)

source_entity: dict[str, sa.Table] = {name: _source_table(name) for name in entities()}
golden: dict[str, sa.Table] = {name: _golden_table(name) for name in entities()}
