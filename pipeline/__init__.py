"""The way of a record, one phase a file; what DAGs and the command line call."""
