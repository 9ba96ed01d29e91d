"""A circuit breaker a source: after several failures in a row, one careful probe instead of a storm of retries.

Closed, every call goes through and is retried. After ``threshold`` failures in a row it is open for ``cooldown``
seconds, doubled with each failed probe up to ``longest``. The first call after that is the probe: one attempt; it
closes the breaker or opens it anew. A call that comes while it is open waits for the probe when that is near
(``patience``), else it is refused with the time to come back.

The state lives in this process. :class:`Memory` is where it is kept; anything with its two methods keeps it across
tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from core.errors import TransientError


@dataclass(slots=True)
class State:
    """Failures in a row, and until when (Unix seconds) nothing is sent."""

    failures: int = 0
    open_until: float = 0.0


class Keeper(Protocol):
    """Where breakers' states are kept. Values are JSON-able."""

    def load(self, name: str) -> dict[str, Any] | None: ...

    def save(self, name: str, state: dict[str, Any]) -> None: ...


class Memory:
    """Keeps states for the life of this process."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Any]] = {}

    def load(self, name: str) -> dict[str, Any] | None:
        return self._states.get(name)

    def save(self, name: str, state: dict[str, Any]) -> None:
        self._states[name] = state


MEMORY = Memory()


class Breaker:
    """One a source and address (``name``)."""

    def __init__(
        self,
        name: str,
        *,
        threshold: int = 5,
        cooldown: float = 10.0,
        longest: float = 300.0,
        patience: float = 30.0,
        keeper: Keeper = MEMORY,
        sleep: Callable[[float], None] = time.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.threshold = threshold
        self.cooldown = cooldown
        self.longest = longest
        self.patience = patience
        self._keeper = keeper
        self._sleep = sleep
        self._wall = wall

    @property
    def state(self) -> State:
        """The state as kept now."""
        return State(**(self._keeper.load(self.name) or {}))

    def enter(self) -> bool:
        """Before a call. True: go and retry as usual; False: this is the probe, one attempt only.

        :raises TransientError: open, and the probe is too far off to wait for.
        """
        state = self.state
        if state.failures < self.threshold:
            return True
        wait = state.open_until - self._wall()
        if wait > self.patience:
            raise TransientError(
                f"{state.failures} calls in a row have failed; the next is made in {wait:.0f} s",
                retry_after=wait,
                remedy="see the source's earlier errors; it is tried again by itself",
                zh=f"该数源已连续 {state.failures} 次调用失败，暂停访问，{wait:.0f} 秒后自动再试。",
                code="breaker_open",
            )
        if wait > 0:
            self._sleep(wait)
        return False

    def succeeded(self) -> None:
        """The source answered, if only with a refusal: it is up."""
        if self.state.failures:
            self._keeper.save(self.name, asdict(State()))

    def failed(self) -> None:
        """A call failed after all its retries."""
        failures = self.state.failures + 1
        pause = min(self.longest, self.cooldown * 2.0 ** min(16, max(0, failures - self.threshold)))
        until = self._wall() + pause if failures >= self.threshold else 0.0
        self._keeper.save(self.name, asdict(State(failures, until)))
