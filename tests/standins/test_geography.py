"""Land for any number of projects."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import shapely

from core.codes import is_valid_project_code, is_valid_uscc
from standins.world import geography, people

TOWN = ("441900101", "石龙镇")


def _settled(number: int) -> list:
    projects = [
        SimpleNamespace(number=n, conditions=["新增用地"], town_code=TOWN[0], town=TOWN[1], site=None)
        for n in range(number)
    ]
    geography.settle(SimpleNamespace(seed=3), projects)
    return [project.site for project in projects]


def test_a_town_with_more_projects_than_cells_gives_each_its_land() -> None:
    sites = _settled(3 * len(geography._cells(*TOWN)) + 1)
    lines = [site.redline for site in sites]
    first, second = shapely.STRtree(lines).query(lines, predicate="intersects")
    assert (first == second).all() and len(first) == len(lines)
    town = geography.towns()[TOWN[1]]
    assert all(shapely.contains(town, lines))
    assert len({site.parcel_code for site in sites}) == len(sites)


def test_numbers_are_one_a_project_beyond_five_digits() -> None:
    numbers = [1, 7, 99_999, 100_000, 100_001, 100_007, 199_999, 200_001, 899_999]
    given = [people.project_code(date(2026, 3, 2), number, 7, "04", "01") for number in numbers]
    assert len(set(given)) == len(numbers)
    assert all(map(is_valid_project_code, given))
    assert all(map(is_valid_uscc, map(people.uscc, numbers)))
    assert len(set(map(people.uscc, numbers))) == len(numbers)
