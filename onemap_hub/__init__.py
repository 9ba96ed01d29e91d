"""The name under which the hub is installed: the packages lie inside this package in a wheel, beside it in a checkout.

The packages keep their short names (``core``, ``store``, ``connectors`` …), which are too common to stand at the top of
anybody's site-packages. So a wheel puts none of them there: ``onemap`` puts their folder on the path of its own
processes. Why: docs/adr/0006-one-package-in-a-wheel.md.
"""
