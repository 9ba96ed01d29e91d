"""回流、推送 The hub sends: ``sinks/*.yaml`` (:mod:`sinks.declaration`), each row once by its key, with receipts.

``choose``: what a receiver is to have, in its own words. ``ledger``: what it has, what waits, what it refused. ``receivers``: how each
protocol is spoken. ``run``: one after the other, so that a process that dies at any instant leaves a batch whose bytes are known
and are sent again as they were. ``state``: how it stands.
"""
