"""What every package may use: errors by whose fault, the clock, settings, logging with redaction."""
