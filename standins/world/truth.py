"""What is true as of the world's clock, for tests: entities as the store should hold them, and the planted findings."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from standins.world.model import World


def _lines(path: Path, rows: list[dict]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def write(world: World, folder: Path, now: datetime) -> None:
    """Write ``truth/``."""
    (folder / "truth").mkdir(exist_ok=True)
    _lines(folder / "truth" / "findings.jsonl", [])
