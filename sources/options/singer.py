"""Options of ``protocol: singer``: any tap of the Singer specification."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sources.options.base import FeedOptions as Base
from sources.options.base import Strict


class SourceOptions(Strict):
    """Of a source: the tap, and what it may cost."""

    tap: list[str] = Field(
        min_length=1,
        description="The program and its arguments: a name on the PATH, or an absolute path into its own environment",
    )
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="The tap's config, secrets aside; those of the Connection's extra come over it",
    )
    login_as: str | None = Field(None, description="Name in the config of the Connection's login")
    password_as: str | None = Field(None, description="Name in the config of the Connection's password")
    host_as: str | None = Field(None, description="Name in the config of the Connection's host")
    catalog: Literal["catalog", "properties", "none"] = Field(
        "catalog",
        description="How the tap takes its catalogue: --catalog, --properties, or it has none (no --discover)",
    )
    silence: float = Field(600, gt=0, le=86400, description="Seconds without a line after which it is ended")
    longest: float = Field(4 * 3600, gt=0, le=7 * 86400, description="Seconds that it may run")
    memory: int = Field(4 << 30, ge=64 << 20, description="Bytes of address space that it may have")


class FeedOptions(Base):
    """Of a feed: one stream of the tap."""

    stream: str = Field(min_length=1, description="tap_stream_id of the catalogue, the stream of its messages")
    replication: Literal["FULL_TABLE", "INCREMENTAL", "LOG_BASED"] | None = Field(
        None, description="Replication method to ask for; default: what the catalogue says"
    )
    replication_key: str | None = Field(
        None, description="Column that the tap follows; default: what the catalogue says"
    )
