"""Work orders (派单): from a finding that asks for action to its end, docs/rules.md, "Work orders"."""
