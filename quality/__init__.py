"""What is good enough: suites, gates, issue codes, reconciliation."""
