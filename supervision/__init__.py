"""What follows: stages, clocks, findings, work orders."""
