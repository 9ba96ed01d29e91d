"""How a new system comes in: sample, profile, draft. Reads the live source, writes declarations that a person decides on."""
