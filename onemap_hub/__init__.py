"""The name under which the hub is installed: the rooms lie inside this package in a wheel, beside it in a checkout.

The rooms keep their short names (``core``, ``store``, ``connectors`` …), which are too common to stand at the top of
anybody's site-packages. So a wheel puts none of them there: ``onemap`` puts their folder on the path of its own
processes. Why: docs/adr/0006-rooms-inside-one-package.md.
"""
