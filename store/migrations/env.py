"""Alembic's environment: runs on the connection that :mod:`store.migrate` hands over."""

from alembic import context

from store import tables
from store.migrate import VERSION_TABLE, included

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    include_schemas=True,
    include_name=included,
    compare_server_default=True,
    transaction_per_migration=True,
    **VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
