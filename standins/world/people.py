"""The projects of a world: who builds what, where, of which kind, and which items that makes it expect."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from core.codes import organisation_check, project_code_check, uscc_check
from standins.world import names
from standins.world.catalogue import Catalogue
from standins.world.chance import dice
from standins.world.model import Project, World

HORIZON = 400  # days after today in which projects still begin
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def uscc(number: int) -> str:
    """A valid 统一社会信用代码 of a Dongguan company, one a ``number``."""
    digits = ""
    rest = number * 7919 + 104729
    for _ in range(5):
        rest, digit = divmod(rest, len(_USCC))
        digits = _USCC[digit] + digits
    body = "MA5" + digits
    head = "91441900" + body + organisation_check(body)
    return head + uscc_check(head)


def project_code(day: date, number: int, seed: int, department: str, kind: str) -> str:
    """A valid 项目代码 given on ``day``; one a ``number``: from 100,000 on by other departments, as their numbers have five digits."""
    department = f"{int(department) + number // 100_000 * 10:02d}"
    head = f"{day:%y%m}-441900-{department}-{kind}-{(number * 37 + seed * 101) % 100000:05d}"
    return head + project_code_check(head)


def conditions(chance: Random, splclx: str) -> list[str]:
    """The project's conditions, values of ``applies_when`` (schemas/catalogue/README.md)."""
    given = ["核准类" if chance.random() < 0.12 else "备案类"]
    land = splclx == "5" or chance.random() < 0.5
    if land:
        given.append("新增用地")
        for name, odds in (("需要控规调整", 0.1), ("占用林地", 0.08), ("土壤污染重点行业", 0.12)):
            if chance.random() < odds:
                given.append(name)
    elif chance.random() < 0.08:
        given.append("划拨用地")
    if land or chance.random() < 0.45:
        given.append("涉及土建")
        given.append("特殊建设工程" if chance.random() < 0.35 else "非特殊建设工程")
        for name, odds in (
            ("应建防空地下室", 0.15),
            ("易燃易爆", 0.12),
            ("产生建筑垃圾", 0.85),
            ("占挖道路", 0.3),
            ("涉绿化", 0.2),
            ("涉河", 0.06),
            ("涉轨道", 0.04),
            ("涉公路", 0.06),
            ("涉航道", 0.02),
            ("超限高层", 0.02),
            ("排水", 0.7),
        ):
            if chance.random() < odds:
                given.append(name)
    for name, odds in (("重大产业项目", 0.12), ("年综合能耗≥1000吨标煤", 0.2), ("取用水", 0.07)):
        if chance.random() < odds:
            given.append(name)
    return given


def expected(catalogue: Catalogue, splclx: str, given: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Codes of the items that a project of this kind needs, in the catalogue's order (rules.md, What is expected)."""
    return tuple(
        code
        for code in catalogue.order
        if (not (item := catalogue[code]).process_types or splclx in item.process_types)
        and (not item.conditions or any(c in given for c in item.conditions))
    )


def _project(world: World, number: int, begins: int, town_code: str) -> Project:
    chance = dice(world.seed, "project", number)
    splclx = chance.choices(("3", "6", "4", "5"), (30, 30, 25, 15))[0]
    given = conditions(chance, splclx)
    industry, product, trade = chance.choice(names.INDUSTRIES)
    owner = number - 1 if number % 19 == 7 else number  # some companies have two projects
    owner_chance = dice(world.seed, "company", owner)
    company = names.company(owner_chance, owner_chance.choice(names.INDUSTRIES)[2])
    legal = names.person(owner_chance)
    office, office_code = world.catalogue.towns[town_code]
    town = office.removeprefix("东莞市").removesuffix("人民政府").removesuffix("办事处")
    town = "松山湖" if town_code == "441900401" else town
    day = world.calendar.days[begins]
    code = project_code(day, number, world.seed, chance.choice(("04", "04", "04", "07")), chance.choice(("01", "02")))
    if number % 97 == 41:  # given before the switch of 2020, begun late
        code = f"{chance.choice((2018, 2019, 2020))}-441900-{industry[1:3]}-03-{(number * 37 + world.seed * 101) % 1000000:06d}"
    items = expected(world.catalogue, splclx, given)
    return Project(
        number=number,
        code=code,
        name=names.project(company, product, chance),
        company=company,
        uscc=uscc(owner + world.seed * 1000003 % 9000017),
        legal=legal,
        town_code=town_code,
        town=town,
        office=office,
        office_code=office_code,
        address=names.address(town, chance),
        industry=industry,
        product=product,
        splclx=splclx,
        filing_type="核准" if "核准类" in given else "备案",
        conditions=tuple(given),
        planned=items if chance.random() < 0.85 else None,
        fast=chance.random() < 0.25,
        agent=names.person(chance),
        begins=begins,
        early=chance.random() < 0.75,
        build_days=chance.randint(50, 170),
        invest=round(chance.lognormvariate(9.5, 0.8), 2),
        trade=trade,
        dialect=chance.choices(("3", "2", "2>3"), (65, 25, 10))[0],
        expected=items,
    )


def projects(world: World) -> list[Project]:
    """The projects of the world, and those that will begin after today at the same rate; numbers from 1."""
    span = (world.today - world.start).days
    later = world.projects * HORIZON // span
    codes = sorted(world.catalogue.towns)
    result = []
    for number in range(1, world.projects + later + 1):
        if number <= world.projects:
            offset = dice(world.seed, "begins", number).uniform(0, span - 12)
        else:
            offset = span + (number - world.projects) * span / world.projects
        begins = world.calendar.index(world.start + timedelta(offset)) + 1
        result.append(_project(world, number, begins, codes[(number * 7 + world.seed) % len(codes)]))
    return result
