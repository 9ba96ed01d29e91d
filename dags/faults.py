"""Retries by whose fault it is: only what may mend itself is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from core.errors import FAULT_ZH, Fault, OneMapError

RETRIES = 4
FIRST = timedelta(seconds=30)
LONGEST = timedelta(minutes=30)


class ByFault(RetryPolicy):
    """Transient: again after 30 s, 1, 2, 4 … minutes, or when the source said. Any other fault: at once a failure.

    What has no fault (the machine ran out of memory, the database was restarted) is left to Airflow's own retries.
    """

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        if not isinstance(exception, OneMapError):
            return RetryDecision.default()
        if exception.fault is not Fault.TRANSIENT:
            return RetryDecision.fail(f"{FAULT_ZH[exception.fault]}: trying again as it stands would not help")
        asked = getattr(exception, "retry_after", None)
        delay = min(timedelta(seconds=asked) if asked else FIRST * 2 ** max(0, try_number - 1), LONGEST)
        return RetryDecision.retry(delay, f"{FAULT_ZH[Fault.TRANSIENT]}: again in {delay}")
