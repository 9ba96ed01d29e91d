"""M1, the item list and the list of projects."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from standins.world.catalogue import Item, Limit
from standins.world.chance import dice, share
from standins.world.lines import Lines, stamp
from standins.world.model import World


def _limits(limit: Limit) -> dict[str, Any]:
    return {
        "project_type": limit.project_type,
        "statutory_limit": limit.statutory,
        "statutory_unit": limit.statutory_unit or None,
        "promised_limit": limit.promised,
        "promised_unit": limit.promised_unit or None,
    }


def item(entry: Item) -> dict[str, Any]:
    """An element of /api/v1/items, without its update time."""
    return {
        "item_code": entry.code,
        "version": entry.version,
        "item_name": entry.name,
        "kind": "政府内部事项" if entry.internal else "政务服务事项",
        "stage": entry.stage,
        "department": entry.department,
        "department_code": entry.department_code,
        "departments": entry.departments,
        "catalog_code": entry.catalog_code or None,
        "task_code": entry.task_code or None,
        "case_channel": entry.channel,
        **_limits(entry.limit),
        "min_days": entry.min_days,
        "variant": entry.variant or None,
        "variants": [{"variant": name, **_limits(limit)} for name, limit in entry.variants.items()],
        "prerequisites": list(entry.prerequisites),
        "soft_prerequisites": list(entry.soft),
        "parallel_group": entry.group or None,
        "process_types": list(entry.process_types),
        "applies_when": "|".join(entry.conditions) or None,
        "multiple": entry.multiple,
        "materials": list(entry.materials),
        "result_document": entry.document or None,
        "certificate_type_code": entry.type_code or None,
        "aliases": entry.aliases,
        "valid_from": f"{entry.valid_from}",
        "valid_to": f"{entry.valid_to - timedelta(days=1)}" if entry.valid_to else None,  # the last day, included
    }


def tell(world: World, out: Lines) -> None:
    """Items are published before they come into force; a project joins the list when it begins."""
    published = datetime.combine(world.start - timedelta(days=30), time(8, 0))
    for versions in world.catalogue.versions.values():
        for entry in versions:
            key = f"{entry.code}|{entry.version}"
            at = (
                published if entry.version == 1 else datetime.combine(entry.valid_from - timedelta(days=20), time(8, 0))
            )
            row = item(entry)
            if entry.valid_to and entry.valid_to > published.date():
                out.state("m1/items", key, {**row, "valid_to": None, "updated_at": stamp(at)}, at)
                at = datetime.combine(entry.valid_to - timedelta(days=20), time(8, 0))
            out.state("m1/items", key, {**row, "updated_at": stamp(at)}, at)
    for project in world.people:
        if not project.m1_known:
            continue
        at = datetime.combine(world.calendar.days[project.begins], time(8, 30))
        row = {
            "project_code": project.code,
            "project_name": project.name,
            "applicant": project.company,
            "uscc": project.uscc,
            "town": project.town,
            "town_code": project.town_code,
            "agent": project.agent,
            "splclx": project.splclx if project.splclx_known else None,
            "fast_track": project.fast,
            "conditions": list(project.conditions),
            "planned_items": list(project.planned) if project.planned is not None else None,
            "updated_at": stamp(at),
        }
        out.state("m1/projects", project.code, row, at)
        if share(world.seed, "agent", project.number) < 0.2:  # another agent takes over
            chance = dice(world.seed, "agent", project.number)
            at += timedelta(days=chance.randint(60, 400))
            out.state(
                "m1/projects", project.code, {**row, "agent": project.agent + "（接）", "updated_at": stamp(at)}, at
            )
