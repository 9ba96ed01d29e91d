"""What is connected: one YAML a source system, and the model that reads them."""
