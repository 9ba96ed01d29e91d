"""What follows from the store: stages, clocks, findings, work orders.

Folders: rules (as data), findings (a function a rule), orders (work orders). Beside them, in the order in which a day is judged:

What is read: touched, read, timeline, facts, calendar
What is expected, and where it stands: expected, items, positions, clock, limits, silence, completeness
What is found: discovery, rule, rulebook, declaration, checking, judge, finding_life, ledger, scratch
What it says: explain, listing, city, comparing, plan, care, notices, feedback
"""
