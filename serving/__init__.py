"""Who asks, and what they are given.

Folders: api (REST), query (what it reads), sql (views), pages, templates, report, archive, features (OGC API), alerts, push (to other
systems), guide. Beside them:

Who may: access, accounts, keys, roles, sharing, lockout, audit, seals
What is derived beforehand: derive, search, places, cache, balance, fields
Past and change: on_day, lookback, lineage, webhooks, snapshot, openlineage
For other programs: catalogue, provider, trying, bi, metrics, tiles
What pages, API and reports share: formats, render, parameters, problems, rulebook, silence
"""
