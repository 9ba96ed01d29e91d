"""No DAG of Airflow's: declarations that cannot be used, told where Airflow tells that a file cannot be imported.

The DAGs of all other sources stand (:mod:`dags.onemap_dags`); a broken source's own DAG says why, and fails when it runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from core.errors import ConfigurationError  # noqa: E402
from sources import loader  # noqa: E402


def wrong() -> str:
    """Every broken declaration with what is wrong with it, "" where all can be used."""
    return "\n".join(
        f"sources/{name}.yaml\n    {error.zh}\n    {error.message}" for name, error in loader.broken().items()
    )


if found := wrong():
    raise ConfigurationError(
        f"declarations that cannot be used; every other source runs\n{found}",
        remedy="correct the places named; the list is read anew within a minute",
        zh=f"以下数源声明有误，其余数源照常运行：\n{found}",
    )
