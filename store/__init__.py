"""The unified store in PostgreSQL, in the order of a record's way.

Ground: engine, tables, migrate, evolve, text, values, copying, statements
Received: archive (bytes), journal, landing (runs, receipts, intervals), arrivals, clockwatch
Batch: staging, rawrow, standing, versions, deletions, merge (its one entrance: ``commit``), initial, remap, comparison
What waits or was refused: quarantine, issues, holds, listing
Unify: identity, judgement, fold, resolve, unify, unservable
The whole: hash
"""
