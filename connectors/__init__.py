"""How to talk: one module a protocol, and what they share."""
