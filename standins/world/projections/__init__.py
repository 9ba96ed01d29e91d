"""What each source system writes down of the one truth, a module a source: rows as on its wire."""
