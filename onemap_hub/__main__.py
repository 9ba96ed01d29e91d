"""``onemap`` of an installed wheel, and ``python -m onemap_hub``: the packages on the path, then the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def package_root() -> Path:
    """The folder of the packages: this package in a wheel, its parent in a checkout."""
    return _HERE if (_HERE / "core").is_dir() else _HERE.parent


def main() -> int:
    """Run the command line; what it starts (Airflow, the API) finds the packages by PYTHONPATH."""
    root = package_root()
    paths = [str(root), str(root / "dags" / "provider")]
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in paths]
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *given])
    sys.path[:0] = [path for path in paths if path not in sys.path]
    from cli.__main__ import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
