"""The views of schema ``onemap``, declared once: their DDL, the data dictionary and the API's schemas come from here.

Columns of an entity are those of ``schemas/entities``; what is personal there is masked here. Every view judges its rows
by ``serving.sight_of``, so that a town or a department sees the same rows whether it comes by SQL, API, features or tiles.
The migrations hold the DDL frozen; a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from schemas import entities, masking
from store import fold

#: Types of the model → types of PostgreSQL.
SQL_TYPES = {
    "text": "text",
    "int": "bigint",
    "decimal": "numeric",
    "date": "date",
    "timestamp": "timestamp without time zone",
    "bool": "boolean",
    "json": "jsonb",
    "geometry": "bytea",
    "texts": "text[]",
    "instant": "timestamp with time zone",
    "small": "smallint",
    "integer": "integer",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view: ``sql`` computes it, ``mask`` names how it is masked (name, phone, number), ``codes`` its list."""

    name: str
    sql: str
    type: str
    zh: str
    en: str
    mask: str | None = None
    codes: str | None = None
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """A view: ``key`` orders and pages it, ``seen`` is the condition on which a row is shown."""

    name: str
    zh: str
    en: str
    source: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    seen: str | None = None
    where: str | None = None
    by_name: dict[str, Column] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        self.by_name.update({column.name: column for column in self.columns})

    @property
    def feed_id(self) -> str:
        """SQL of the id by which the change feed names a row ``v``."""
        return " || ':' || ".join(f'v."{part}"::text' for part in self.key)


#: names of applicants and holders: name, type where there is one, code
_APPLICANTS = {
    ("case", "applicant_name"): "{x}.applicant_name, {x}.applicant_type, {x}.applicant_id",
    ("licence", "holder_name"): "{x}.holder_name, null, {x}.holder_code",
    ("project", "applicant_name"): "{x}.applicant_name, null, {x}.applicant_uscc",
    ("land_approval", "land_user"): "{x}.land_user, null, null",
}


def _is_free_text(name: str, declared: entities.Column) -> bool:
    """What people wrote in their own words: anything may stand in it."""
    return declared.type == "text" and not declared.codes and masking.is_free_text(name)


def _entity(entity: str, alias: str = "x", leave: Iterable[str] = ()) -> tuple[Column, ...]:
    about = entities.load(entity)
    columns = [Column("id", f"{alias}.id", "text", "编号", "the row's id: " + ", ".join(about.key), nullable=False)]
    for name, declared in about.columns.items():
        if name in leave:
            continue
        note = declared.doc or name.replace("_", " ")
        if declared.unit:
            note += f" [{declared.unit}]"
        sql, mask = f"{alias}.{name}", masking.kind(name) if declared.personal else None
        hidden = "(select (serving.sight_of(current_user)).personal)"
        if (entity, name) in _APPLICANTS:  # a name is a person's until it is known to be an organisation's
            sql = f"case when {hidden} then {alias}.{name} else serving.mask_applicant({_APPLICANTS[entity, name].format(x=alias)}) end"
            note += "; masked unless it is known to be an organisation's"
        elif mask is None and _is_free_text(name, declared):
            beside = ", ".join(
                f"{alias}.{n}" for n, c in about.columns.items() if c.personal and masking.kind(n) == "name"
            )
            known = f"array[{beside}]::text[]" if beside else "'{}'::text[]"
            sql = f"case when {hidden} then {alias}.{name} else serving.mask_text({alias}.{name}, {known}) end"
            note += "; ID numbers, phones and known names in it are masked"
        columns.append(Column(name, sql, declared.type, declared.zh, note, mask, declared.codes))
    return tuple(columns)


def _ends(alias: str = "x", entity: str = "") -> tuple[Column, ...]:
    of_own = f"jsonb_build_object('*', {fold.record_of(alias)})"
    return (
        Column(
            "provenance",
            of_own if entity in fold.KEPT else f"{alias}.provenance",
            "json",
            "字段来源",
            "column -> feed and record key; * = every column that is not named",
        ),
        Column(
            "changed_at", f"{alias}.changed_at", "instant", "变更时间", "when the content last changed", nullable=False
        ),
    )


# -- who sees what -----------------------------------------------------------------------------------------------------

# a sub-select runs once a query; its cast makes it an array, not a set of rows
TOWNS = "(select (serving.sight_of(current_user)).towns)::text[]"
DEPARTMENTS = "(select (serving.sight_of(current_user)).departments)::text[]"
LED = "(select (serving.sight_of(current_user)).items)::text[]"
FREE = "(select (serving.sight_of(current_user)).free)"
PROJECTS = "(select (serving.sight_of(current_user)).projects)::text[]"  # of an enterprise, an agent, a team
ENTERPRISE = "(select (serving.sight_of(current_user)).enterprise)"


def seen(town: str, department: str, project: str) -> str:
    """A row is shown to who is free of restriction, else where its town, its department and its project all allow it."""
    return (
        f"({FREE} or (({TOWNS} is null or {town}) and ({DEPARTMENTS} is null or {department})"
        f" and ({PROJECTS} is null or {project})))"
    )


def of_party(code: str) -> str:
    """The project is the enterprise's, the agent's or the team's."""
    return f"{code} = any ({PROJECTS})"


def _supervised(alias: str) -> str:
    """A finding or its order. What is suspected of it, with evidence that may name others, is not an enterprise's to read."""
    return seen(
        project_town(f"{alias}.project_code"),
        f"{alias}.department_code = any ({DEPARTMENTS})",
        f"({of_party(f'{alias}.project_code')} and not {ENTERPRISE})",
    )


def of_department(code: str, item: str | None = None) -> str:
    """The department handles it, or leads its item."""
    handled = f"{code} = any ({DEPARTMENTS})"
    return f"({handled} or {item} = any ({LED}))" if item else handled


def project_town(code: str) -> str:
    return f"exists (select from store.project tp where tp.id = {code} and tp.town_code = any ({TOWNS}))"


def project_department(code: str) -> str:
    """A department sees a project in which it has a case, a finding, or a current item."""
    return (
        f"""(exists (select from store."case" dc where dc.project_code = {code} and dc.gone_at is null and {of_department("dc.department_code", "dc.item_code")})"""
        f" or exists (select from supervision.finding df where df.project_code = {code} and df.department_code = any ({DEPARTMENTS}))"
        f" or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = {code}"
        f" and (di ->> 'department_code' = any ({DEPARTMENTS}) or di ->> 'item_code' = any ({LED}))))"
    )


def of_project(code: str) -> str:
    """What is shown with its project."""
    return seen(project_town(code), project_department(code), of_party(code))


def _place(entity: str) -> str:
    return (
        f"exists (select from serving.place pl where pl.entity = '{entity}' and pl.id = x.id"
        f" and pl.content_hash = x.content_hash and pl.town_code = any ({TOWNS}))"
    )


def _case_seen(alias: str) -> str:
    return seen(
        f"({project_town(f'{alias}.project_code')} or ({alias}.project_code is null and left({alias}.town_code, 9) = any ({TOWNS})))",
        of_department(f"{alias}.department_code", f"{alias}.item_code"),
        of_party(f"{alias}.project_code"),
    )


def _by_case(alias: str = "x") -> str:
    return f"""({FREE} or exists (select from store."case" oc where oc.id = {alias}.case_id and {_case_seen("oc")}))"""


#: entity → the condition on which a row ``x`` of its golden table is shown.
SEEN: dict[str, str | None] = {
    "project": of_project("x.id"),
    "case": _case_seen("x"),
    "case_event": _by_case(),
    "special_procedure": _by_case(),
    "material": _by_case(),
    "licence": seen(
        project_town("x.project_code"), of_department("x.organ_code", "x.item_code"), of_party("x.project_code")
    ),
    "land_approval": of_project("x.project_code"),
    "engineering": of_project("x.project_code"),
    "redline": of_project("x.project_code"),
    "site_reading": of_project("x.project_code"),
    "parcel": seen(
        f"({project_town('x.project_code')} or (x.project_code is null and {_place('parcel')}))",
        project_department("x.project_code"),
        of_party("x.project_code"),
    ),
    "scene": seen(
        f"({project_town('x.project_code')} or (x.project_code is null and {_place('scene')}))",
        project_department("x.project_code"),
        of_party("x.project_code"),
    ),
    "change_polygon": seen(
        _place("change_polygon"),
        f"exists (select from supervision.finding gf where gf.case_no = x.id and gf.department_code = any ({DEPARTMENTS}))",
        f"(not {ENTERPRISE} and exists (select from supervision.finding gf where gf.case_no = x.id and {of_party('gf.project_code')}))",
    ),
    "enterprise": f"""({FREE} or exists (select from store.project ep where ep.applicant_uscc = x.uscc and {of_project("ep.id")}))""",
    "item": None,  # the catalogue is public
    "national_task": None,
}


def seen_of(entity: str) -> str | None:
    """Who is shown a row of an entity: as :data:`SEEN` has it; of another, whoever sees its project, else its department, else
    only who is free of restriction.
    """
    if entity in SEEN:
        return SEEN[entity]
    columns = entities.load(entity).columns
    if "project_code" in columns:
        return of_project("x.project_code")
    if "department_code" in columns:
        return f"({FREE} or ({DEPARTMENTS} is not null and {TOWNS} is null and {PROJECTS} is null and {of_department('x.department_code')}))"
    return FREE


_WAITS = """exists (select from supervision.waiting w where w.rule = x.rule and w.project_code = x.project_code
            and w.item_code = x.item_code and w.case_no = x.case_no)"""
_LIGHT = """(select case min(array_position(array['双红', '红', '待数据', '黄', '蓝', '绿'], k.light))
        when 1 then '双红' when 2 then '红' when 3 then '待数据' when 4 then '黄' when 5 then '蓝' when 6 then '绿' end
    from supervision.clock k where k.project_code = x.id and k.light <> '灰')"""

_CLOCK = (
    Column(
        "acceptance_on", "k.acceptance_on", "date", "起算日", "acceptance, or deemed acceptance: the clock's first day"
    ),
    Column("deemed", "k.deemed", "bool", "视为受理", "deemed accepted: no decision within 5 working days"),
    Column("ended_at", "k.ended_at", "timestamp", "办结时间（时钟）", "when the clock stopped; null: running"),
    Column("end_event", "k.end_event", "text", "办结事件", "what stopped it", codes="event"),
    Column("used_promised", "k.used_promised", "int", "已用承诺时限", "days used, in promised_unit"),
    Column("used_statutory", "k.used_statutory", "int", "已用法定时限", "days used, in statutory_unit"),
    Column("promised_limit", "k.promised_limit", "int", "承诺时限", "promised limit in force"),
    Column("promised_unit", "k.promised_unit", "text", "承诺时限单位", "its unit", codes="day_unit"),
    Column("statutory_limit", "k.statutory_limit", "int", "法定时限", "statutory limit in force"),
    Column("statutory_unit", "k.statutory_unit", "text", "法定时限单位", "its unit", codes="day_unit"),
    Column("due_promised", "k.due_promised", "date", "承诺到期日", "last day within the promised limit"),
    Column("due_statutory", "k.due_statutory", "date", "法定到期日", "last day within the statutory limit"),
    Column("paused", "k.paused", "bool", "暂停中", "a pause runs"),
    Column("suspended", "k.suspended", "bool", "到期日顺延", "the due dates stand on a pause without an end"),
    Column("provisional", "k.provisional", "bool", "暂估", "uses a day past the last official notice of holidays"),
    Column(
        "light",
        "k.light",
        "text",
        "灯",
        "灰 双红 红 蓝 黄 绿, 待数据: its source is silent; null: no limit, or not accepted",
    ),
    Column("judged_on", "k.as_of", "date", "判定日", "the day that clock and light stand for"),
)


#: who is told the values of golden rows: nothing is masked in them, nor held to some rows
_WHOLE = f"({FREE} and (select (serving.sight_of(current_user)).personal))"
#: what stands in the change feed beside the entities of the model
FED = ("finding", "work_order", "project_stage", "project_item", "clock")
_TOLD = f"(c.entity in ({', '.join(repr(one) for one in FED)}) or {_WHOLE})"


@cache
def views() -> dict[str, View]:
    """All views by name, in the order in which they are made."""
    made = [_project(), _case(), *_children(), *_of_supervision(), _change()]
    return {view.name: view for view in made}


def _simple(entity: str, key: tuple[str, ...] = ("id",), extra: tuple[Column, ...] = ()) -> View:
    about = entities.load(entity)
    return View(
        entity,
        about.zh,
        about.doc.strip(),
        f'store."{entity}" x',
        (*_entity(entity), *extra, *_ends(entity=entity)),
        key,
        seen_of(entity),
        "x.gone_at is null",
    )


def _project() -> View:
    about = entities.load("project")
    return View(
        "project",
        about.zh,
        about.doc.strip() + " With its position and the worst light of its running cases.",
        "store.project x left join supervision.position s on s.project_code = x.id",
        (
            *_entity("project"),
            Column(
                "current_stage",
                "s.current_stage",
                "integer",
                "当前阶段",
                "stage 1 to 8 that it stands in; null: none begun, or finished",
            ),
            Column(
                "current_stage_name",
                "(select st.stage_name from supervision.stage_state st where st.project_code = x.id and st.stage = s.current_stage)",
                "text",
                "当前阶段名称",
                "its name",
            ),
            Column("finished", "s.finished", "bool", "是否办结", "the milestones of the last stage are done"),
            Column(
                "current_items",
                "s.current_items",
                "json",
                "当前事项",
                "[{item_code, item_name, stage, turn, department, department_code, open}]",
            ),
            Column(
                "light",
                _LIGHT,
                "text",
                "灯",
                "worst light of its running cases: 双红 红 待数据 黄 蓝 绿; null: none runs",
            ),
            Column(
                "open_findings",
                f"""(select count(*) from supervision.finding f where f.project_code = x.id and f.state in ('open', 'confirmed')
                    and ({FREE} or (({DEPARTMENTS} is null or f.department_code = any ({DEPARTMENTS})) and not {ENTERPRISE})))""",
                "int",
                "未消除发现数",
                "findings open or confirmed, as far as they are shown",
                nullable=False,
            ),
            Column("judged_on", "s.as_of", "date", "判定日", "the day that its position stands for"),
            *_ends(),
        ),
        seen=SEEN["project"],
        where="x.gone_at is null",
    )


def _case() -> View:
    about = entities.load("case")
    return View(
        "case",
        about.zh,
        "An approval case, one row whatever the number of systems that know it, with its clock.",
        'store."case" x left join supervision.clock k on k.case_id = x.id',
        (
            *_entity("case", leave=("part", "version", "inserted_at")),
            Column("channels", "x.channels", "texts", "全部来源系统", "every channel that knows the case"),
            Column("item_code_written", "x.item_code_written", "text", "事项编码（原文）", "item code as written"),
            Column(
                "project_code_written", "x.project_code_written", "text", "项目代码（原文）", "project code as written"
            ),
            Column(
                "project_link",
                "x.project_link",
                "text",
                "项目关联方式",
                "written, engineering, crosswalk, identity; null: unlinked",
            ),
            *_CLOCK,
            *_ends(),
        ),
        seen=SEEN["case"],
        where="x.gone_at is null",
    )


def _children() -> list[View]:
    case_id = (Column("case_id", "x.case_id", "text", "办件", "case.id"),)
    licence = (
        *case_id,
        Column("item_code_written", "x.item_code_written", "text", "事项编码（原文）", "item code as written"),
        Column("project_code_written", "x.project_code_written", "text", "项目代码（原文）", "project code as written"),
    )
    return [
        _simple("case_event", extra=case_id),
        _simple("special_procedure", extra=case_id),
        _simple("material", extra=case_id),
        _simple("licence", extra=licence),
        *(
            _simple(entity)
            for entity in (
                "enterprise",
                "engineering",
                "item",
                "national_task",
                "land_approval",
                "redline",
                "parcel",
                "change_polygon",
                "scene",
                "site_reading",
            )
        ),
        *(_simple(entity) for entity in entities.names() if entity not in SEEN),
    ]


def _of_supervision() -> list[View]:
    code = Column("project_code", "x.project_code", "text", "项目代码", "project", nullable=False)
    finding_seen = _supervised("x")
    stage = View(
        "project_stage",
        "项目阶段",
        "State of each of the 8 stages of each project.",
        "supervision.stage_state x",
        (
            code,
            Column("stage", "x.stage", "integer", "阶段", "1 to 8", nullable=False),
            Column("stage_name", "x.stage_name", "text", "阶段名称", "name", nullable=False),
            Column("state", "x.state", "text", "状态", "完成, 进行, 未开始, 不适用", nullable=False),
            Column("completed_at", "x.completed_at", "timestamp", "完成时间", "when its last milestone was done"),
            Column("judged_on", "x.as_of", "date", "判定日", "the day that it stands for", nullable=False),
        ),
        ("project_code", "stage"),
        of_project("x.project_code"),
    )
    item = View(
        "project_item",
        "项目应办事项",
        "What a project is expected to go through, and how far it is; expected null: not judged.",
        "supervision.project_item x",
        (
            code,
            Column("item_code", "x.item_code", "text", "事项编码", "item", nullable=False),
            Column("item_name", "x.item_name", "text", "事项名称", "name"),
            Column("stage", "x.stage", "integer", "阶段", "1 to 8"),
            Column("kind", "x.kind", "text", "事项性质", "政务服务事项, 政府内部事项", codes="item_kind"),
            Column("department", "x.department", "text", "牵头部门", "lead department"),
            Column("department_code", "x.department_code", "text", "牵头部门代码", "its code"),
            Column(
                "expected", "x.expected", "bool", "是否应办", "expected of this project; null: cannot be judged yet"
            ),
            Column(
                "state",
                "x.state",
                "text",
                "状态",
                "已办 done, 在办 open, 未办 none yet, 未知 of a channel that is not read",
                nullable=False,
            ),
            Column("done_at", "x.done_at", "timestamp", "办成时间", "when it was done"),
            Column("turn", "x.turn", "text", "轮到谁", "待企业申报, 待部门办理; null: not current"),
            Column("judged_on", "x.as_of", "date", "判定日", "the day that it stands for", nullable=False),
        ),
        ("project_code", "item_code"),
        of_project("x.project_code"),
    )
    finding = View(
        "finding",
        "发现",
        "Findings of supervision; 疑似，待核 until confirmed.",
        "supervision.finding x",
        (
            Column("id", "x.id", "text", "编号", "computed from its key", nullable=False),
            Column("rule", "x.rule", "text", "规则", "rule (docs/rules.md)", nullable=False),
            code,
            Column("item_code", "nullif(x.item_code, '')", "text", "事项编码", "item"),
            Column("case_no", "nullif(x.case_no, '')", "text", "办件编号", "case, licence or polygon"),
            Column("case_id", "x.case_id", "text", "办件", "case.id"),
            Column("level", "x.level", "text", "级别", "level, where the rule has some"),
            Column("kind", "x.kind", "text", "种类", "kind, where the rule has some"),
            Column("severity", "x.severity", "small", "严重程度", "1 提示, 2 一般, 3 严重", nullable=False),
            Column("department_code", "x.department_code", "text", "责任部门代码", "who must answer"),
            Column("department_name", "x.department_name", "text", "责任部门", "its name"),
            Column("text", "x.text", "text", "说明", "the finding in Chinese", nullable=False),
            Column("evidence", "x.evidence", "json", "证据", "[{row, sources}]", nullable=False),
            Column(
                "state",
                "x.state",
                "text",
                "状态",
                "open 疑似待核, confirmed 已确认, lifted 误报, closed 已消除",
                nullable=False,
            ),
            Column("opened_on", "x.opened_on", "date", "出现日", "opened", nullable=False),
            Column("closed_on", "x.closed_on", "date", "消除日", "closed"),
            Column("judged_on", "x.judged_on", "date", "判定日", "judged last", nullable=False),
            Column("decided_at", "x.decided_at", "instant", "核定时间", "when a person decided"),
            Column("decision_note", "x.decision_note", "text", "核定说明", "why"),
            Column(
                "waits",
                f"""(x.state in ('open', 'confirmed') and {_WAITS})""",
                "bool",
                "未判定",
                "its data have a hole: it stands, and is neither urged nor escalated until they come",
                nullable=False,
            ),
        ),
        seen=finding_seen,
    )
    order = View(
        "work_order",
        "工单",
        "Work orders, one a finding.",
        "supervision.work_order x",
        (
            Column("no", "x.no", "text", "工单编号", "number", nullable=False),
            Column("finding_id", "x.finding_id", "text", "发现", "finding.id", nullable=False),
            Column("rule", "x.rule", "text", "规则", "rule", nullable=False),
            code,
            Column("item_code", "nullif(x.item_code, '')", "text", "事项编码", "item"),
            Column("case_no", "nullif(x.case_no, '')", "text", "办件编号", "case"),
            Column("department_code", "x.department_code", "text", "责任部门代码", "who has to act", nullable=False),
            Column("department_name", "x.department_name", "text", "责任部门", "its name"),
            Column("severity", "x.severity", "small", "严重程度", "1 提示, 2 一般, 3 严重", nullable=False),
            Column(
                "state",
                "x.state",
                "text",
                "状态",
                "dispatched 待签收, signed 待反馈, answered 待核销, disputed 误报待判定, closed 已办结",
                nullable=False,
            ),
            Column("dispatched_at", "x.dispatched_at", "timestamp", "派单时间", "dispatched", nullable=False),
            Column("due_on", "x.due_on", "date", "本环节到期日", "last day of the running limit"),
            Column("urged_on", "x.urged_on", "date", "催办日", "urged"),
            Column("escalated_on", "x.escalated_on", "date", "督办日", "gone to the superior"),
            Column("result", "x.result", "text", "反馈结论", "整改, 误报"),
            Column("answer", "x.answer", "text", "反馈内容", "the answer"),
            Column("closed_at", "x.closed_at", "timestamp", "办结时间", "closed"),
        ),
        ("no",),
        finding_seen,
    )
    step = View(
        "order_step",
        "工单履历",
        "Every step of a work order: when, who, why; append-only.",
        "supervision.order_step x join supervision.work_order w on w.no = x.order_no",
        (
            Column("seq", "x.seq", "int", "序号", "order of steps", nullable=False),
            Column("order_no", "x.order_no", "text", "工单编号", "work_order.no", nullable=False),
            Column("at", "x.at", "timestamp", "时间", "when", nullable=False),
            Column(
                "step",
                "x.step",
                "text",
                "步骤",
                "dispatched, signed, answered, asked_close, urged, escalated, rerouted, closed, reopened, noted",
                nullable=False,
            ),
            Column("by", "x.by", "text", "经办", "who", mask="name", nullable=False),
            Column("why", "x.why", "text", "事由", "why"),
        ),
        ("seq",),
        _supervised("w"),
    )
    return [stage, item, finding, order, step]


def _change() -> View:
    # offset 0: a change is judged by the key of its row; without it the planner may read whole tables for a page
    cases = " ".join(
        f"""when '{entity}' then {f'''exists (select from store."{entity}" x where x.id = c.entity_id and {rule} offset 0)''' if rule else "true"}"""
        for entity, rule in {**SEEN, **{one: seen_of(one) for one in entities.names() if one not in SEEN}}.items()
    )
    beside = {
        "finding": (
            "supervision.finding x where x.id = c.entity_id",
            _supervised("x"),
        ),
        "work_order": (
            "supervision.work_order x where x.no = c.entity_id",
            _supervised("x"),
        ),
        "project_stage": (
            "store.project x where x.id = split_part(c.entity_id, ':', 1)",
            SEEN["project"],
        ),
        "project_item": (
            "store.project x where x.id = split_part(c.entity_id, ':', 1)",
            SEEN["project"],
        ),
        "clock": ('store."case" x where x.id = c.entity_id', SEEN["case"]),
    }
    cases += " " + " ".join(
        f"when '{entity}' then exists (select from {rows} and {rule} offset 0)"
        for entity, (rows, rule) in beside.items()
    )
    return View(
        "change",
        "变更流",
        "Every change of the store, in commit order; read it by (xid, seq) and stop before the oldest transaction that runs.",
        "store.changes c",
        (
            Column("seq", "c.seq", "int", "序号", "number", nullable=False),
            Column("xid", "c.xid", "int", "事务号", "transaction that wrote it", nullable=False),
            Column("entity", "c.entity", "text", "实体", "entity", nullable=False),
            Column("entity_id", "c.entity_id", "text", "编号", "id of the row", nullable=False),
            Column("op", "c.op", "text", "操作", "ADD, MOD, DEL", nullable=False),
            Column("columns", "c.columns", "texts", "变更字段", "columns that changed"),
            Column("sources", "c.sources", "texts", "来源", "feeds that the change came from"),
            Column("at", "c.at", "instant", "时间", "when", nullable=False),
            Column(
                "before",
                f"case when {_TOLD} then c.before end",
                "json",
                "变更前",
                "values before; of findings, work orders, stages and clocks, of the rest to whoever sees all of it in clear",
            ),
            Column(
                "after",
                f"case when c.after is not null then c.after when {_WHOLE} then serving.change_after(c.entity, c.entity_id, c.xid, c.seq, c.op, c.columns) end",
                "json",
                "变更后",
                "values after; of findings, work orders, stages and clocks, of the rest to whoever sees all of it in clear",
            ),
            Column(
                "batch",
                "c.batch",
                "int",
                "批",
                "number of the first change of its batch, of rows that a load added many at a time",
            ),
        ),
        ("xid", "seq"),
        f"({FREE} or case c.entity {cases} else false end)",
    )


def ddl() -> str:
    """``create view`` for all of them, with comments; personal columns masked, rows judged by ``serving.sight_of``.

    Twice: in ``onemap`` behind a security barrier, since whoever writes SQL may write functions that peep at rows before
    they are judged; in ``asked`` for the API, whose SQL is its own, without the barrier, past which no index gives an order.
    """
    made = []
    for view in views().values():
        made += _create(view, "onemap", " with (security_barrier)")
        made += _create(view, "asked", "")
        made.append("")
    return "\n".join(made)


def statements(view: View, schema: str) -> list[str]:
    """``create view`` of one of them in ``onemap`` or ``asked``, with its comments."""
    return _create(view, schema, " with (security_barrier)" if schema == "onemap" else "")


def _create(view: View, schema: str, options: str) -> list[str]:
    name = f'{schema}."{view.name}"' if view.name == "case" else f"{schema}.{view.name}"
    columns = ",\n    ".join(f"{_select(column)} as {column.name}" for column in view.columns)
    conditions = " and ".join(part for part in (view.where, view.seen) if part)
    create = f"create view {name}{options} as\nselect\n    {columns}\nfrom {view.source}" + (
        f"\nwhere {conditions};" if conditions else ";"
    )
    return [
        create,
        f"comment on view {name} is {_text(view.zh, view.en)};",
        *(f"comment on column {name}.{c.name} is {_text(c.zh, note(c))};" for c in view.columns),
    ]


def _select(column: Column) -> str:
    sql = column.sql
    if column.mask:
        sql = f"case when (select (serving.sight_of(current_user)).personal) then {sql} else serving.mask_{column.mask}({sql}) end"
    return sql


def note(column: Column) -> str:
    """The column's English comment, with what is to be known of masking and code list."""
    marks = [f"codes: {column.codes}"] if column.codes else []
    marks += ["masked: personal data"] if column.mask else []
    return f"{column.en} ({'; '.join(marks)})" if marks else column.en


def _text(zh: str, en: str) -> str:
    return "'" + f"{zh} | {' '.join(en.split())}".replace("'", "''") + "'"
