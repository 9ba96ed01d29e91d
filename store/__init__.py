"""The unified store in PostgreSQL: landing, staging, merge, history, identity, fold."""
