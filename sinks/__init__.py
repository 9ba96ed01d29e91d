"""回流 Where the hub sends to: one YAML a receiver, and its model (:mod:`sinks.declaration`)."""
