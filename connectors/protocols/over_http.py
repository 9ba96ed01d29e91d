"""What connectors over HTTP share: the check, temporary files, closing."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import CheckLine, Connector
from core import scratch
from core.errors import Fault, OneMapError

if TYPE_CHECKING:
    from connectors.transports.http import Http
    from sources.declaration import Feed


class HttpConnector(Connector):
    """Subclasses set :attr:`http` and say what their first page is."""

    http: Http
    _folder: scratch.Folder | None = None

    @abstractmethod
    def first_page(self, feed: Feed) -> str:
        """Ask for the feed's first page, one attempt; what it shows, in words. :raises OneMapError: it fails."""

    def check(self) -> list[CheckLine]:
        """Reach, credentials and clock, then each feed's first page."""
        feeds, failed = [], []
        for feed in self.source.feeds.values():
            try:
                feeds.append(CheckLine(feed.id, True, self.first_page(feed)))
            except OneMapError as error:
                failed.append(error)
                feeds.append(CheckLine.failed(feed.id, error))
        answered = self.http.answers > 0
        blocked = next((error for error in failed if not answered), None)
        refused = next((error for error in failed if error.fault is Fault.AUTHENTICATION), None)
        reach, credentials = "连通 reach", "鉴权 credentials"
        lines = [CheckLine.failed(reach, blocked) if blocked else CheckLine(reach, answered, self.http.origin)]
        if answered:
            lines.append(
                CheckLine.failed(credentials, refused) if refused else CheckLine(credentials, True, "accepted")
            )
            lines.append(self._clock())
        return lines + feeds

    def _clock(self) -> CheckLine:
        ahead = self.http.server_offset
        if ahead is None:
            return CheckLine("时钟 clock", True, "the source tells no Date")
        return CheckLine(
            "时钟 clock",
            abs(ahead) < 60,
            f"the source is {ahead:+.0f} s from ours",
            "" if abs(ahead) < 60 else "synchronise this machine's clock (NTP), or tell the source's owner",
        )

    def folder(self) -> Path:
        """A folder for files on their way; it goes with :meth:`close`."""
        if self._folder is None:
            self._folder = scratch.Folder(prefix="onemap-")
        return Path(self._folder.name)

    def close(self) -> None:
        self.http.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
