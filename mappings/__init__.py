"""What means what: one YAML a feed, code lists, and the one compiler that runs them."""
