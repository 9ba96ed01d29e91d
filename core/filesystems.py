"""A file system and a path by their URL: a folder, any store that fsspec knows, and ``s3://`` by obstore.

Of an object store the addresses and secrets are the environment's (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``; ``AWS_ALLOW_HTTP=true`` where it has no TLS), never part of a URL.
"""

from __future__ import annotations

from functools import cache

import fsspec


def at(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URL or of a folder, and the path there."""
    if url.startswith("s3://"):
        _speak_s3()
    return fsspec.core.url_to_fs(url)


@cache
def _speak_s3() -> None:
    from obstore.fsspec import register  # a quarter of a second, which a folder need not pay

    register("s3")


def object_store_error(error: Exception) -> OSError | None:
    """An object store's refusal as the error of a disk would be; None: it is none."""
    if not type(error).__module__.startswith("obstore"):
        return None
    refused = type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError")
    text = str(error).partition("\n")[0][:300]
    return PermissionError(13, text) if refused else OSError(text)
