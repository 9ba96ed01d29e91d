"""One try at one (feed, window), as it goes through the phases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.base import Connector, Proof, Window
from core.errors import InternalError
from mappings.compiler import Mapping
from pipeline.outcome import Counts
from sources.declaration import Feed, Source
from store.initial import InitialLoad
from store.landing import Span
from store.staging import Staged


@dataclass
class Job:
    """What the phases share. ``now`` is the city's time at which the run began, before anything was asked."""

    source: Source
    feed: Feed
    window: Window
    mapping: Mapping
    connector: Connector
    staged: Staged
    now: datetime
    trigger: str
    fetched: Proof | None = None  # how the fetch ended; None: it has not
    source_ahead: timedelta | None = None  # the least by which the source's clock ran ahead of ours; None: it told none
    bytes: int = 0
    payloads: int = 0
    lost: int = 0  # payloads of which a part could not be decoded
    counts: Counts = field(default_factory=Counts)
    afresh: bool = False  # read as if nothing had been read before: no "not modified since"
    replayed: str | None = None  # outcome of the run of which this is the replay from the archive: it decides at gates
    initial: InitialLoad | None = None  # the batch is merged while it is read
    redriving: list[int] = field(default_factory=list)  # quarantine entries that go through once more

    @property
    def run_id(self) -> int:
        """The run's row in landing.run."""
        return self.staged.run_id

    @property
    def proof(self) -> Proof:
        """How the fetch ended. :raises InternalError: it has not."""
        if self.fetched is None:
            raise InternalError("the proof of a fetch was asked for before its end")
        return self.fetched

    @property
    def span(self) -> Span:
        """The window, as the store has it."""
        return Span(self.window.start, self.window.end, self.window.full)
