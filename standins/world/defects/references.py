"""References that lead nowhere: C12 the project code of a case, C14 the numbers that a building permit quotes."""

from __future__ import annotations

from standins.world.defects.courses import OWN_ONLY, case_of, ripe, spend
from standins.world.defects.planting import Garden, Recipe
from standins.world.lifecycle import Edit, Plan
from standins.world.model import Plant, Project

WIDE = str.maketrans("0123456789〔〕", "０１２３４５６７８９［］")


def _wrong(garden: Garden, project: Project, kind: str) -> str:
    """A project code that is absent, fails its check digit, belongs to another owner, or has the old form."""
    if kind == "absent":
        return ""
    if kind == "check_digit":
        return project.code[:-1] + str((int(project.code[-1]) + 3) % 10)
    if kind == "old_form":
        return f"2019-441900-{project.industry[1:3]}-03-0{project.number:05d}"
    people = garden.world.people
    return next(
        p.code
        for p in people[project.number % 50 :]
        if p.uscc != project.uscc and p.begins < project.begins and "-03-" not in p.code
    )


def _miscoded(kind: str, why: str, guard: str = "") -> Recipe:
    """An enterprise's case with a wrong code in every row."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        item = ripe(plan, OWN_ONLY, garden.now - 250, garden.now - 10)
        if item is None or not project.filing or (kind == "other_owner" and project.begins < 120):
            return None
        garden.again(project, {item: Edit(at=plan.begun[item], shape=spend(3))})
        case = case_of(project, item)
        if case.receipt <= project.filing.submitted:
            return None
        case.code_written = _wrong(garden, project, kind)
        if guard:
            return Plant(project, near=[garden.near("C12", project, item, case.no, guard=guard, why=why)])
        return Plant(
            project,
            garden.always(case.receipt, garden.finding("C12", project, item, case.no, severity=1, kind=kind, why=why)),
        )

    return recipe


def _before_filing(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """Received before the project was filed: it could not know its code."""
    item = ripe(plan, ("DG-304",), garden.now - 300, garden.now - 10)
    if item is None or not project.filing:
        return None
    garden.again(project, {item: Edit(at=plan.begun[item], shape=spend(3))})
    case = case_of(project, item)
    if case.receipt > project.filing.submitted:
        return None
    case.code_written = ""
    return Plant(
        project, near=[garden.near("C12", project, item, case.no, guard="before_filing", why="接件早于项目申报")]
    )


def _internal(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    item = ripe(plan, ("DG-N-201",), garden.now - 300, garden.now - 10)
    if item is None:
        return None
    garden.again(project)
    return Plant(
        project,
        near=[
            garden.near(
                "C12", project, item, case_of(project, item).no, guard="internal", why="政府内部事项，申请人是机关"
            )
        ],
    )


def _quoted(kind: str, why: str, guard: str = "") -> Recipe:
    """The permit of a project quotes this."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        if ripe(plan, ("DG-604",), garden.now - 300, garden.now - 10) is None or not {
            "DG-404",
            "DG-502",
            "DG-601",
        } <= set(plan.done):
            return None
        garden.again(project)
        case = case_of(project, "DG-604")
        planning = case_of(project, "DG-502").licence.number
        land = case_of(project, "DG-404").licence.number
        year = f"{case.receipt:%Y}"
        project.permit_quotes = {
            "one": {"GCGHXKZBH": f"建字第〔{year}〕9{project.number:05d}号"},
            "two": {
                "YDGHXKZBH": f"地字第441900{year}9{project.number:05d}号",
                "SCHGSBH": f"审字第441900{year}9{project.number:05d}号",
            },
            "spelling": {"GCGHXKZBH": planning.translate(WIDE), "YDGHXKZBH": f" {land[:3]} {land[3:]}　"},
            "old_year": {"YDGHXKZBH": f"东规地〔2019〕{project.number:04d}号"},
        }[kind]
        if guard:
            return Plant(project, near=[garden.near("C14", project, "DG-604", case.no, guard=guard, why=why)])
        return Plant(
            project,
            garden.always(
                case.concluded, garden.finding("C14", project, "DG-604", case.no, severity=2, kind=kind, why=why)
            ),
        )

    return recipe


RECIPES: dict[str, tuple[Recipe, int]] = {
    "C12.absent": (_miscoded("absent", "项目代码为空"), 1),
    "C12.check_digit": (_miscoded("check_digit", "项目代码校验位不符"), 1),
    "C12.other_owner": (_miscoded("other_owner", "项目代码属于其他单位的项目"), 1),
    "near.C12.old_form": (_miscoded("old_form", "旧格式项目代码，无校验位", "old_form"), 1),
    "near.C12.before_filing": (_before_filing, 1),
    "near.C12.internal": (_internal, 1),
    "C14.one": (_quoted("one", "所引工程规划许可证号无处可查"), 1),
    "C14.two": (_quoted("two", "所引用地规划许可证号与审查合格书号无处可查"), 1),
    "near.C14.spelling": (_quoted("spelling", "括号、全半角、空格写法不同", "normalised"), 1),
    "near.C14.old_year": (_quoted("old_year", "证号年份早于证照库首个完整日", "before_first_day"), 1),
}
