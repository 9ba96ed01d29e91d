"""How a defect gets into the world: a recipe looks for a project that suits it, and lives it through anew.

A recipe is a function ``(garden, project, plan) -> Plant | None``; ``plan`` is the project's ordinary life. It returns None
where the project does not suit; the project is then as before. One project bears one plant.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from standins.world import judge
from standins.world.chance import dice
from standins.world.lifecycle import Edit, Plan, finished, run
from standins.world.model import Case, Plant, Project, World

GAP = 18  # working days between two events of a project that must not stall
WHOLE = 400  # projects from which on a world has room for every plant
SHARE = 0.4  # of the projects, at most, bear a plant


Recipe = Callable[["Garden", Project, Plan], Plant | None]


@dataclass
class Garden:
    """The world being planted."""

    world: World
    plans: dict[int, Plan]
    plants: list[Plant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._projects = {project.number: project for project in self.world.people}

    @property
    def now(self) -> int:
        """The last working day before today: what must have happened, happened by it."""
        return self.world.now

    def again(
        self, project: Project, edits: dict[str, Edit] | None = None, silence: tuple[int, int] | None = None
    ) -> Plan:
        """Live the project through with edits."""
        return run(self.world, project, edits, silence)

    def finding(
        self,
        rule: str,
        project: Project,
        item: str,
        case_no: str = "",
        *,
        severity: int,
        why: str,
        level: str = "",
        kind: str = "",
    ) -> dict[str, Any]:
        row = {
            "rule": rule,
            "project_code": project.code,
            "item_code": item,
            "case_no": case_no,
            "severity": severity,
            "why": why,
        }
        return row | ({"level": level} if level else {}) | ({"kind": kind} if kind else {})

    def near(
        self, rule: str, project: Project, item: str, case_no: str = "", *, guard: str, why: str
    ) -> dict[str, Any]:
        return {
            "rule": rule,
            "project_code": project.code,
            "item_code": item,
            "case_no": case_no,
            "guard": guard,
            "why": why,
        }

    def always(self, since: datetime, *findings: dict[str, Any]) -> Callable[[datetime], list[dict[str, Any]]]:
        """Findings that stand from ``since`` on."""
        return lambda now: list(findings) if since <= now else []

    def overdue(self, case: Case, why: str) -> Callable[[datetime], list[dict[str, Any]]]:
        """The overdue finding of a case, whose level rises with time."""

        def expects(now: datetime) -> list[dict[str, Any]]:
            level = judge.level(self.world, case, now)
            if not level:
                return []
            return [
                self.finding(
                    "overdue",
                    case.project,
                    case.item,
                    case.no,
                    severity=3 if level == "双红" else 2,
                    level=level,
                    why=why,
                )
            ]

        return expects

    def longest_gap(self, project: Project) -> int:
        """Most working days between two events of the project up to its end."""
        end = finished(project)
        times = [at for at in project.moments() if end is None or at <= end]
        days = [self.world.calendar.index(at) for at in times]
        return max((b - a for a, b in zip(days, days[1:], strict=False)), default=0)

    def grow(self, name: str, recipe: Recipe, count: int) -> int:
        """Plant ``count`` of a recipe, fewer where the world has no more projects for it. Returns how many."""
        room = max(1, int(self.world.projects * SHARE)) - len(self.plants)
        order = list(range(1, self.world.projects + 1))
        dice(self.world.seed, "plant", name).shuffle(order)
        grown = 0
        for number in order:
            if grown >= min(count, room):
                break
            project = self._projects[number]
            if project.planted or "-03-" in project.code:
                continue
            saved = {k: copy.copy(v) for k, v in vars(project).items()}
            plant = recipe(self, project, self.plans[number])
            if plant is not None and (plant.stalls or self.longest_gap(project) <= GAP):
                plant.name = project.planted = name
                for row in plant.near:
                    row["plant"] = name
                for case in project.cases:
                    case.plain = True
                self.plants.append(plant)
                grown += 1
            else:
                vars(project).update(saved)
        return grown


def has(project: Project, *conditions: str) -> bool:
    """Whether the project is under all these conditions."""
    return set(conditions) <= set(project.conditions)


def early(project: Project) -> bool:
    """Filed at the beginning, so that the cut-off is the later of the two days of supervision."""
    return project.early and project.filing_type == "备案"
