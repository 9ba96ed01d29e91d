"""D2 发展和改革局: the list of filed projects, without an increment of its own."""

from __future__ import annotations

from datetime import timedelta

from standins.world.chance import share
from standins.world.lines import Lines
from standins.world.model import World


def tell(world: World, out: Lines) -> None:
    """A row for each filing that passed, from the evening of that day; some are corrected later."""
    for project in world.people:
        filing = project.filing
        if filing is None or filing.done is None:
            continue
        row = {
            "projectCode": project.code,
            "projectName": project.name,
            "applyOrgan": project.company,
            "applyOrganCode": project.uscc,
            "totalInvest": f"{project.invest:,.2f}",
            "filingDate": f"{filing.finished:%Y-%m-%d}",
            "industryCode": project.industry,
            "place": project.address,
        }
        shown = filing.finished + timedelta(hours=4)
        if share(world.seed, "d2", project.number) < 0.05:
            out.state("d2/projects", project.code, {**row, "industryCode": None, "place": None}, shown)
            shown += timedelta(days=20)
        out.state("d2/projects", project.code, row, shown)
