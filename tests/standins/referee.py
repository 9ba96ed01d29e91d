"""The rules of docs/rules.md, read off a simulated world's files alone: slow, plain, and apart from generator and product.

It holds the generator to account: what it finds must be what was planted. It takes all data as complete.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache

import chinese_calendar
import shapely
from pyproj import Transformer
from shapely.geometry import shape

from core.codes import is_old_project_code, is_valid_project_code

CUT_OFF = date(2026, 1, 1)
OK = {"0", "6", "11", "12"}


@cache
def workday(day: date) -> bool:
    try:
        return chinese_calendar.is_workday(day)
    except NotImplementedError:
        return day.weekday() < 5


def count(a: date, b: date, unit: str = "工作日") -> int:
    """n(a, b]."""
    return sum(1 for n in range(1, (b - a).days + 1) if unit == "自然日" or workday(a + timedelta(n)))


def nth(a: date, n: int, unit: str = "工作日") -> date:
    while n:
        a += timedelta(1)
        n -= unit == "自然日" or workday(a)
    return a


def at(text: str | None) -> datetime | None:
    if not text or not text.strip():
        return None
    text = text.strip().replace("/", "-").removesuffix(".0")
    return datetime.fromisoformat(text)


def day_only(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second) == (0, 0, 0)


@dataclass
class Case:
    no: str
    channel: str
    project: str = ""
    code_written: str = ""
    item_written: str = ""
    item: str | None = None
    variant: str = ""
    uscc: str = ""
    name: str = ""
    internal: bool = False
    own_no: str = ""
    linked: bool = True
    receipt: datetime | None = None
    decisions: list = field(default_factory=list)
    supplements: list = field(default_factory=list)
    specials: list = field(default_factory=list)
    special_ends: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    concluded: datetime | None = None
    result: str = ""
    licence: date | None = None
    number: str = ""
    inserted: list = field(default_factory=list)
    prior: str = ""
    long_no: str = ""
    gcdm: str = ""
    commitment: bool = False
    channels: set = field(default_factory=set)

    @property
    def accepted(self):
        return min((t for s, t in self.decisions if s == "1"), default=None)

    @property
    def refused(self):
        return min((t for s, t in self.decisions if s in "24"), default=None)

    @property
    def end(self):
        return self.concluded or self.refused

    @property
    def done(self):
        return self.concluded if self.result in OK else None


class Referee:
    """Reads a world; :meth:`findings` gives {(rule, project, item, case)}."""

    def __init__(self, world) -> None:
        self.w = world
        self.now = world.clock
        self.today = self.now.date()
        self.items = defaultdict(list)
        for row in self.latest("m1/items", "item_code", "version").values():
            self.items[row["item_code"]].append(row)
        self.projects = self.latest("m1/projects", "project_code")
        self.filings = {r["projectCode"]: r for r in self.latest("p1/project_filing", "id").values()}
        self.licences = self.latest("p1/licence", "certificate_id").values()
        self.aliases = defaultdict(list)
        for rows in self.items.values():
            for row in rows:
                for code in {row["item_code"], *row["aliases"], row["catalog_code"], row["task_code"]} - {None, ""}:
                    self.aliases[code].append(row)
        self.cases: list[Case] = []
        self._m2()
        self._departments()
        self._d3()
        self._p3()
        self.by_project = defaultdict(lambda: defaultdict(list))
        for case in self.cases:
            self._resolve(case)
            self.by_project[case.project][case.item].append(case)
        self._documents()

    def latest(self, table: str, *key: str) -> dict:
        found = {}
        for row in self.w.lines(table):
            found[tuple(row[k] for k in key) if len(key) > 1 else row[key[0]]] = row
        return found

    def item_on(self, code: str, day: date):
        rows = [
            r
            for r in self.items[code]
            if r["valid_from"] <= str(day) and (not r["valid_to"] or str(day) <= r["valid_to"])
        ]
        return rows[0] if rows else None

    def item_of(self, written: str, day: date) -> str | None:
        for row in self.aliases.get(written, ()):
            if row["valid_from"] <= str(day) and (not row["valid_to"] or str(day) <= row["valid_to"]):
                return row["item_code"]
        return None

    # -- reading

    def _m2(self) -> None:
        cases = {}

        def versions(table, *key):
            groups = defaultdict(list)
            for row in self.w.lines(f"m2/EX_GDBS_{table}"):
                groups[tuple(str(row.get(k) or "").strip() for k in ("SBLSH_SHORT", *key))].append(row)
            for rows in groups.values():
                rows.sort(key=lambda r: (r["VERSION"], r.get("INSERTTIME") or r.get("INSERTIME")))
            return groups

        for (no,), rows in versions("SB").items():
            row = rows[0]
            case = cases[no] = Case(
                no,
                "M2",
                code_written=(row["PROJECT_CODE"] or "").strip(),
                item_written=row["SXBM"].strip(),
                variant=row["SXQXBM"],
                uscc=row["SQRZJHM"].strip(),
                name=row["SBXMMC"].strip(),
                internal=row["SQRLX"] == "3",
                receipt=at(row["SBSJ"]),
                prior=row["YSBLSH"],
                long_no=row["SBLSH"],
                channels={"M2"},
            )
            case.resubmitted = [at(r["SBSJ"]) for r in rows[1:] if r["SBSJ"] != row["SBSJ"]]
            case.inserted += [at(r["INSERTTIME"]) for r in rows]
        for (no,), rows in versions("SL").items():
            case, seen = cases[no], set()
            case.own_no = rows[0]["YWLSH"]
            case.inserted += [at(r["INSERTTIME"]) for r in rows]
            for row in rows:
                if row["SLZTDM"] not in seen:
                    case.decisions.append((row["SLZTDM"], at(row["SLSJ"])))
                    seen.add(row["SLZTDM"])
        for (no, *_), rows in versions("SPCL", "SPHJDM", "SPSJ").items():
            cases[no].steps.append(at(rows[-1]["SPSJ"]))
            cases[no].inserted += [at(r["INSERTTIME"]) for r in rows]
        for (no, *_), rows in versions("BZGZ", "BZGZSJ").items():
            cases[no].supplements.append([at(rows[-1]["BZGZSJ"]), None])
        for (no, *_), rows in versions("TBCXSQ", "TBCXKSRQ").items():
            cases[no].specials.append(
                [
                    at(rows[-1]["TBCXKSRQ"]),
                    None,
                    int(rows[-1]["TBCXSX"]),
                    {"G": "工作日", "Z": "自然日"}[rows[-1]["TBCXSXDW"]],
                ]
            )
        for (no, *_), rows in versions("TBCXJG", "TBCXJSRQ").items():
            cases[no].special_ends.append(at(rows[-1]["TBCXJSRQ"]))
        for (no,), rows in versions("BJ").items():
            cases[no].concluded, cases[no].result, cases[no].number = (
                at(rows[-1]["BJSJ"]),
                rows[-1]["BJJGDM"],
                rows[-1]["ZJBH"],
            )
            cases[no].inserted += [at(r["INSERTIME"]) for r in rows]
        for case in cases.values():
            marks = sorted(
                [
                    *case.resubmitted,
                    *(t for _, t in case.decisions),
                    *case.steps,
                    *([case.concluded] if case.concluded else []),
                ]
            )
            for pause in case.supplements:
                pause[1] = next((m for m in marks if m > pause[0]), None)
            for pause in case.specials:
                pause[1] = next((e for e in sorted(case.special_ends) if e >= pause[0]), None)
        self.m2 = cases
        self.by_long = {c.long_no: c for c in cases.values()}
        self.cases += cases.values()

    def _departments(self) -> None:
        by_own = {c.own_no: c for c in self.m2.values() if c.own_no}
        for source in ("d1", "d4"):
            for row in self.latest(f"{source}/cases", "YWLSH").values():
                case = self.m2.get(row["SBLSH_SHORT"].strip()) or by_own.get(row["YWLSH"])
                if case is None:
                    case = Case(
                        row["YWLSH"],
                        source.upper(),
                        item_written=row["SXBM"],
                        uscc=row["SQRZJHM"],
                        receipt=at(row["SLSJ"]),
                        own_no=row["YWLSH"],
                    )
                    case.code_written, case.linked = row["PROJECT_CODE"], bool(row["SBLSH_SHORT"])
                    case.decisions.append(("1", at(row["SLSJ"])))
                    case.steps = [at(s["SPSJ"]) for s in row["SPHJ"]]
                    case.concluded, case.result, case.number = at(row["BJSJ"]), row["BJJGDM"], row["ZJBH"]
                    self.cases.append(case)
                elif at(row["BJSJ"]) and case.concluded and case.result != "13":
                    assert at(row["BJSJ"]) == case.concluded, row
                case.channels.add(source.upper())
                if row["FZSJ"]:
                    case.licence = at(row["FZSJ"]).date()

    def _d3(self) -> None:
        rows = {
            part: [
                r for v in ("", "_V3") for r in self.latest(f"d3/SPGL_{part}{v}", "LSH").values() if r["SJYXBS"] == 1
            ]
            for part in ("XMJBXXB", "XMSPSXBLXXB", "XMSPSXBLXXXXB", "XMSPSXPFWJXXB")
        }
        works = {r["GCDM"]: r for r in rows["XMJBXXB"]}
        self.permits = [r for r in self.latest("d3/SPGL_JZGCSGXKXXB", "LSH").values() if r["SJYXBS"] == 1]
        logs = defaultdict(set)
        for row in rows["XMSPSXBLXXXXB"]:
            logs[row["SPSXSLBM"]].add((row["BLZT"], at(row["BLSJ"]), row.get("SJLY")))
        for row in rows["XMSPSXBLXXB"]:
            no = row["SPSXSLBM"]
            case = self.m2.get(no)
            log = sorted(logs[no], key=lambda x: x[1])
            if case is None:
                case = Case(
                    no,
                    "D3",
                    code_written=works[row["GCDM"]]["XMDM"],
                    item_written=row["SPSXBM"],
                    own_no=no,
                    linked=False,
                )
                for state, when, _ in log:
                    if state == 1:
                        case.receipt = when
                    elif state == 3:
                        case.decisions.append(("1", when))
                    elif state == 8:
                        case.steps.append(when)
                    elif state in (11, 12, 13, 14):
                        case.concluded, case.result = when, str(state)
                self.cases.append(case)
            elif case.concluded is None:
                for state, when, _ in log:
                    if state == 13:
                        case.concluded, case.result = when, "13"
            case.gcdm, case.commitment = row["GCDM"], row.get("SXGZCNZSPQK") == "1"
            case.channels.add("D3")
        self.approvals = rows["XMSPSXPFWJXXB"]
        own = {c.no: c for c in self.cases if c.channel == "D3"}
        for row in self.approvals:
            case = next((c for c in [self.m2.get(row["SPSXSLBM"])] if c), None) or own[row["SPSXSLBM"]]
            case.licence = at(row["PFRQ"]).date()

    def _p3(self) -> None:
        results = {}
        for row in self.w.lines("p3/up_pro_result"):
            results[row["project_no"]] = row
        special = defaultdict(dict)
        for row in self.w.lines("p3/up_pro_special_procedure"):
            special[row["project_no"]][row["row_guid"]] = row
        seen = set()
        for row in self.w.lines("p3/up_pro_accept"):
            no = row["project_no"]
            if no in self.m2 or no in seen:
                continue
            seen.add(no)
            case = Case(
                no,
                "P3",
                item_written=row["task_code"],
                uscc=row["applyer_page_code"],
                name=row["project_name"],
                receipt=at(row["apply_date"]),
            )
            case.decisions.append(("1", at(row["accept_date"])))
            specials = [r for r in special.get(no, {}).values()]
            case.specials = [[at(r["special_time"]), at(r["end_time"]), 10, "工作日"] for r in specials]
            if no in results:
                case.concluded, case.result = (
                    at(results[no]["result_date"]),
                    {"1": "6", "2": "13", "3": "1", "4": "2"}[results[no]["result_type"]],
                )
            self.cases.append(case)

    def _resolve(self, case: Case) -> None:
        case.item = self.item_of(case.item_written, case.receipt.date())
        project = self.projects.get(case.code_written)
        if project and (case.internal or not case.uscc or project["uscc"] == case.uscc):
            case.project = case.code_written
            return
        case.found = [c for c, p in self.projects.items() if p["uscc"] == case.uscc and p["project_name"] == case.name]
        case.project = case.found[0] if len(case.found) == 1 else ""

    def _documents(self) -> None:
        self.documents = defaultdict(list)  # (project, item) -> [(day, number)]
        self.numbers = {c.number for c in self.cases if c.number} | {r["PFWH"] for r in self.approvals}
        for row in self.licences:
            item = self.item_of(row["certificate_type_code"], at(row["issue_date"]).date())
            self.documents[row["project_code"], item].append((at(row["issue_date"]).date(), row["certificate_number"]))
            self.numbers.add(row["certificate_number"])
        self.land = {r["项目代码"]: at(r["批准日期"]) for r in self.w.lines("p2/land_approval")}
        for row in self.permits:
            self.documents[row["XMDM"], "DG-604"].append((at(row["FZRQ"]).date(), row["SGXKZBH"]))
            self.numbers.add(row["SGXKZBH"])
        texts = {r["SPSXSLBM"]: r["PFWH"] for r in self.approvals}
        for case in self.cases:
            match = [d for d, n in self.documents[case.project, case.item] if n == case.number]
            if match:
                case.licence = min([*match, *([case.licence] if case.licence else [])])
            if case.channel == "D3" and case.licence:
                case.number = texts.get(case.no, "")

    # -- what stands

    def expected(self, code: str) -> dict[str, dict]:
        project = self.projects[code]
        filed = at(self.filings[code]["submitDate"]).date() if code in self.filings else self.today
        found = {}
        for item in self.items:
            row = self.item_on(item, filed)
            if row is None:
                continue
            if row["process_types"] and (not project["splclx"] or project["splclx"] not in row["process_types"]):
                continue
            if row["applies_when"]:
                ok = (
                    item in project["planned_items"]
                    if project["planned_items"]
                    else any(c in project["conditions"] for c in row["applies_when"].split("|"))
                )
                if not ok:
                    continue
            found[item] = row
        return found

    def done(self, code: str, item: str) -> datetime | None:
        times = [c.done for c in self.by_project[code][item] if c.done]
        times += [datetime.combine(d, datetime.min.time()) for d, _ in self.documents[code, item]]
        filing = self.filings.get(code)
        if item in ("DG-401", "DG-402") and filing and filing["stateFlagName"] == "办结（通过）":
            times.append(at(filing["finishDate"]))
        if item == "DG-N-303" and self.land.get(code):
            times.append(self.land[code])
        return min(times, default=None)

    def issued(self, case: Case) -> datetime | None:
        times = [t for t in (case.done, case.licence and datetime.combine(case.licence, datetime.min.time())) if t]
        return min(times, default=None)

    def clock(self, case: Case, skip: int | None = None):
        """(accepted, used promised, used statutory, promised, its unit, statutory, due before the pause ``skip``)."""
        accepted = case.accepted.date() if case.accepted else None
        decided = [t for _, t in case.decisions] + [s for s, _ in case.supplements]
        base = case.receipt
        deadline = nth(base.date(), 5)
        if case.refused:
            return None
        if not any(t.date() <= deadline for t in decided) and (self.today > deadline or case.concluded):
            accepted = base.date()
        if accepted is None:
            return None
        row = self.item_on(case.item, accepted) if case.item else None
        if row is None:
            return None
        limits = next((v for v in row["variants"] if v["variant"] == case.variant), row)
        stops = []
        for n, (start, end, limit, unit) in enumerate([*((s, e, 0, "") for s, e in case.supplements), *case.specials]):
            if start.date() < accepted or n == skip:
                continue
            last = end.date() if end else self.today
            if limit:
                last = min(last, nth(start.date(), limit, unit))
            stops.append((start.date(), last))
        end = case.end.date() if case.end else self.today

        def used(unit, until=None):
            days = (accepted + timedelta(n) for n in range(1, ((until or end) - accepted).days + 1))
            return sum(1 for d in days if (unit == "自然日" or workday(d)) and not any(a < d <= b for a, b in stops))

        def due(limit, unit):
            day = accepted
            left = limit
            while left:
                day += timedelta(1)
                left -= (unit == "自然日" or workday(day)) and not any(a < day <= b for a, b in stops)
            return day

        return accepted, used, limits, due

    def findings(self) -> set[tuple[str, str, str, str]]:
        found = set()
        for case in self.cases:
            found |= set(self._of_case(case))
        for code in self.projects:
            found |= set(self._of_project(code))
        found |= set(self._ground())
        known = {normal(n) for n in self.numbers}
        for row in self.permits:
            for column in ("YDGHXKZBH", "GCGHXKZBH", "SCHGSBH"):
                number = normal(row[column])
                if number and number not in known and "2019" not in number:
                    case = next(c for c in self.by_project[row["XMDM"]]["DG-604"] if c.number == row["SGXKZBH"])
                    found.add(("C14", row["XMDM"], "DG-604", case.no))
        return found

    def _of_case(self, case: Case):
        key = (case.project, case.item or case.item_written, case.no)
        clock = self.clock(case)
        siblings = self.by_project[case.project][case.item]
        if clock:
            accepted, used, limits, due = clock
            for name in ("promised", "statutory"):
                limit = limits[f"{name}_limit"]
                if limit is not None and used(limits[f"{name}_unit"]) > limit:
                    yield ("overdue", *key)
            promised, unit = limits["promised_limit"], limits["promised_unit"]
            if (
                promised is not None
                and case.concluded
                and case.accepted
                and promised >= 5
                and limits["project_type"] != "1"
                and not case.commitment
            ):
                gap = case.concluded - case.accepted
                if (
                    timedelta() <= gap <= timedelta(minutes=10)
                    and not day_only(case.accepted)
                    and not day_only(case.concluded)
                ):
                    yield ("C5", *key)
            if promised is not None and promised >= 5:
                for n, start in enumerate([*(s for s, _ in case.supplements), *(s[0] for s in case.specials)]):
                    if start.date() >= accepted:
                        before = self.clock(case, skip=n)[3](promised, unit)
                        if start.date() <= before and count(start.date(), before) <= 1:
                            yield ("C8", *key)
            if case.result in ("2", "3") and promised is not None:
                last = due(promised, unit)
                again = [
                    c
                    for c in siblings
                    if c.receipt > case.concluded and count(case.concluded.date(), c.receipt.date()) <= 10
                ]
                if case.concluded.date() <= last and count(case.concluded.date(), last) <= 3 and again:
                    yield ("C11", *key)
        if (case.refused or case.result == "1") and not any(c.receipt > case.receipt and c.accepted for c in siblings):
            yield ("returned", *key)
        if case.item is None and case.channel in ("M2", "D1", "D3", "D4"):
            yield ("C9", case.project, case.item_written, case.no)
        if case.channel == "M2":
            result = min(
                [
                    t
                    for t in (case.concluded, case.licence and datetime.combine(case.licence, datetime.max.time()))
                    if t
                ],
                default=None,
            )
            first = min(case.inserted)
            inverted = case.accepted and case.concluded and case.accepted > case.concluded
            if inverted:
                result = case.concluded
            if (
                result
                and case.done
                and (
                    first.date() > nth(result.date(), 1)
                    or (
                        max(case.inserted) - first <= timedelta(minutes=10)
                        and count(case.receipt.date(), case.concluded.date()) >= 2
                        and first > case.concluded
                    )
                )
            ):
                yield ("C3", *key)
            yield from self._code(case)
        for side in (case.concluded, case.licence and datetime.combine(case.licence, datetime.min.time())):
            if case.accepted and side:
                only = day_only(side) or day_only(case.accepted)
                late = case.accepted.date() > side.date() if only else case.accepted > side
                if late and not (only and (case.accepted.date() - side.date()).days <= 1):
                    yield ("C4", *key)
        if case.steps and case.accepted and count(min(case.steps).date(), case.accepted.date()) >= 3:
            yield ("C6", *key)
        returns, prior = 0, case.prior
        while prior:
            before = self.by_long[prior]
            returns += bool(before.refused or before.result == "1")
            prior = before.prior
        if returns >= 2:
            yield ("C6", *key)
        for start, end, limit, unit in case.specials:
            last = end.date() if end else self.today
            if (limit and last > nth(start.date(), limit, unit)) or (
                not limit and not end and count(start.date(), self.today) >= 60
            ):
                yield ("C8", *key)
        for start, end in case.supplements:
            if end is None and count(start.date(), self.today) >= 30:
                yield ("C8", *key)
        for other in siblings:
            if other.receipt < case.receipt and (other.end is None or other.end > case.receipt) and case.item:
                same = case.gcdm and case.gcdm == other.gcdm
                differ = case.gcdm and other.gcdm and case.gcdm != other.gcdm
                if same or (not differ and not self.items[case.item][-1]["multiple"]):
                    yield ("C10", *key)

    def _code(self, case: Case):
        if case.internal and case.code_written in self.projects:
            return
        code = case.code_written
        filing = self.filings.get(case.project)
        if not case.project or is_old_project_code(code) or not filing or case.receipt <= at(filing["submitDate"]):
            return
        other = code in self.projects and self.projects[code]["uscc"] != case.uscc
        if (not code or not is_valid_project_code(code) or other) and len(getattr(case, "found", [])) == 1:
            yield ("C12", case.project, case.item, case.no)

    def _of_project(self, code: str):
        expected = self.expected(code)
        project, filing = self.projects[code], self.filings.get(code)
        cases = self.by_project[code]
        hard = {}
        for item, row in expected.items():
            hard[item] = [
                q
                for q in row["prerequisites"]
                if q in expected
                and not (row["parallel_group"] and expected[q]["parallel_group"] == row["parallel_group"])
                and not (q in row["soft_prerequisites"] and project["fast_track"])
            ]
        since = max(CUT_OFF, at(filing["submitDate"]).date()) if filing else None
        in_m2 = {i for i, cs in cases.items() if any(c.channel == "M2" for c in cs)}
        done = {i: self.done(code, i) for i in self.items}
        if since:
            for item in expected:
                days = [(c.accepted or self.issued(c)).date() for c in cases[item] if c.accepted or self.issued(c)]
                if not cases[item] and done[item]:
                    days.append(done[item].date())
                for q in hard[item]:
                    early = done[q] and done[q].date() < since
                    if (
                        any(d >= since for d in days)
                        and expected[q]["case_channel"] == "M2"
                        and q not in in_m2
                        and not early
                    ):
                        yield ("C1", code, q, "")
            for item, cs in [*cases.items()]:
                if not item or self.items[item][-1]["case_channel"] != "M2" or item in in_m2:
                    continue
                for case in cs:
                    if case.receipt.date() >= since and not case.linked and case.channel[0] == "D":
                        yield ("C15", code, item, case.own_no)
                    if (t := self.issued(case)) and t.date() >= since and count(t.date(), self.today) >= 3:
                        yield ("C2", code, item, case.own_no)
            for item in self.items:
                documents = self.documents.get((code, item), ())
                if documents and self.items[item][-1]["case_channel"] == "M2" and item not in in_m2 and not cases[item]:
                    for day, number in documents:
                        if day >= since and count(day, self.today) >= 3:
                            yield ("C2", code, item, number)
            for item in expected:
                for case in cases[item]:
                    issue = self.issued(case)
                    if issue is None or issue.date() < since:
                        continue
                    for q in hard[item]:
                        known = cases[q] or done[q]
                        late = done[q] is None or (
                            done[q].date() > issue.date() if day_only(done[q]) or day_only(issue) else done[q] > issue
                        )
                        if known and late and not (done[q] and done[q].date() < since):
                            yield ("C7", code, item, case.no)
        yield from self._stalled(code, expected, hard, cases, done, filing)

    def _stalled(self, code, expected, hard, cases, done, filing):
        events = [
            t
            for cs in cases.values()
            for c in cs
            for t in (
                c.receipt,
                *(t for _, t in c.decisions),
                *c.steps,
                *(x for s in c.supplements for x in s),
                *(x for s in c.specials for x in s[:2]),
                c.concluded,
            )
            if t
        ]
        events += [at(filing[k]) for k in ("submitDate", "finishDate") if filing and filing[k]]
        events += [
            datetime.combine(d, datetime.min.time()) for i in self.items for d, _ in self.documents.get((code, i), ())
        ]
        if self.land.get(code):
            events.append(self.land[code])
        if not events or count(max(events).date(), self.today) < 20 or not filing:
            return
        unknown = {i for i, r in expected.items() if r["case_channel"] == "other" and not cases[i] and not done[i]}
        if all(done[i] or i in unknown for i in ("DG-802", "DG-N-803") if i in expected):
            return
        expired = filing["expiryDate"] and at(filing["expiryDate"]) < self.now and not done["DG-604"]
        if filing["stateFlagName"] == "撤回" or filing["isValidity"] == "无效" or expired:
            return
        current = [
            i for i in expected if not done[i] and i not in unknown and all(done[q] or q in unknown for q in hard[i])
        ]
        if all(expected[i]["promised_limit"] is None and expected[i]["statutory_limit"] is None for i in current):
            return
        opened = [c for cs in cases.values() for c in cs if not c.end]
        if opened and all(
            any(not e and (not limit or nth(s.date(), limit, u) >= self.today) for s, e, limit, u in c.specials)
            for c in opened
        ):
            return
        milestones = {
            1: ["DG-N-101"],
            2: ["DG-N-201"],
            3: ["DG-N-303", "DG-308"],
            4: ["DG-401", "DG-402", "DG-404"],
            5: ["DG-502"],
            6: ["DG-604"],
            7: ["DG-707", "DG-708"],
            8: ["DG-802", "DG-N-803"],
        }
        stage = next(
            s for s, ms in milestones.items() if any(m in expected and not done[m] and m not in unknown for m in ms)
        )
        for s in (stage, *range(1, stage)):
            mine = sorted(
                (i for i in current if expected[i]["stage"] == s), key=lambda i: not any(not c.end for c in cases[i])
            )
            if mine:
                yield ("stalled", code, mine[0], "")
                return

    def _ground(self):
        metres = Transformer.from_crs(4490, 4547, always_xy=True).transform

        def flat(g):
            return shapely.transform(shape(g), metres, interleaved=False)

        lines = {r["PROJECT_CODE"]: flat(r["_geometry"]) for r in self.latest("s1/redline", "HXBH").values()}
        for row in self.w.lines("p2/land_approval"):
            if row["项目代码"] and row["项目代码"] not in lines:
                lines[row["项目代码"]] = flat(row["_geometry"])
        codes = list(lines)
        tree = shapely.STRtree([lines[c] for c in codes])
        changes = []
        for row in self.latest("s2/change", "JCBH").values():
            text = row["HSX"]
            if text and len(text) == 6:
                first = date(int(text[:4]), int(text[4:]), 1)
                text = str((first + timedelta(32)).replace(day=1) - timedelta(1))
            changes.append(
                (row["JCBH"], row["TBLX"], flat(row["_geometry"]), date.fromisoformat(text) if text else None)
            )
        built = set()
        for code, kind, geom, hsx in changes:
            touched = {codes[i]: geom.intersection(lines[codes[i]]).area for i in tree.query(geom)}
            for project, area in touched.items():
                issue = min((d for d, _ in self.documents[project, "DG-604"]), default=None)
                issue = min(
                    [
                        d
                        for d in (
                            issue,
                            *(self.issued(c).date() for c in self.by_project[project]["DG-604"] if self.issued(c)),
                        )
                        if d
                    ],
                    default=None,
                )
                if hsx and issue and hsx > issue and lines[project].buffer(0.01).contains(geom):
                    built.add(project)
                neighbours = sum(a for p, a in touched.items() if p != project)
                if (
                    not hsx
                    or kind not in ("TP", "TD", "DT", "20")
                    or neighbours >= 0.01 * geom.area
                    or "DG-604" not in self.expected(project)
                ):
                    continue
                if (area >= 0.1 * lines[project].area or area >= 1000) and (issue is None or hsx < issue):
                    yield ("C13", project, "DG-604", code)
        scenes = [
            (date.fromisoformat(r["properties"]["datetime"][:10]), shape(r["geometry"]))
            for r in self.latest("s3/scene", "collection", "id").values()
        ]
        degrees = {r["PROJECT_CODE"]: shape(r["_geometry"]) for r in self.latest("s1/redline", "HXBH").values()}
        for project in lines:
            issue = min(
                [
                    *(d for d, _ in self.documents[project, "DG-604"]),
                    *(self.issued(c).date() for c in self.by_project[project]["DG-604"] if self.issued(c)),
                ],
                default=None,
            )
            if issue is None or project in built or self.done(project, "DG-707"):
                continue
            month = issue.month + 6
            half = issue.replace(year=issue.year + (month > 12), month=(month - 1) % 12 + 1, day=min(issue.day, 28))
            if (
                project in degrees
                and half <= self.today
                and any(day > half and area.intersects(degrees[project]) for day, area in scenes)
            ):
                yield ("stalled", project, "DG-604", "")


def normal(number: str | None) -> str:
    wide = (
        {ord("０") + n: str(n) for n in range(10)} | {ord(c): "(" for c in "〔［（["} | {ord(c): ")" for c in "〕］）]"}
    )
    return (number or "").translate(wide).replace(" ", "").replace("　", "")
