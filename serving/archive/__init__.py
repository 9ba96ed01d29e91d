"""The live archive of a project (自动建立项目实时档案): all that is known of it, in order of time, with where it came from.

``collect`` gathers it as of a business day and as of what the hub knew at an instant; ``zipped`` and ``unfolded`` write it
out with a manifest of SHA-256 digests, the same bytes for the same store, day and instant.
"""

from serving.archive.collect import Archive, collect
from serving.archive.export import files, unfolded, zipped

__all__ = ["Archive", "collect", "files", "unfolded", "zipped"]
