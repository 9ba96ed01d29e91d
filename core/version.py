"""The hub's version: the one place that says it. The wheel, the image and ``onemap --version`` read it here."""

VERSION = "0.2.0"
