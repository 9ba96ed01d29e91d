"""Before it is late: for each running case the chance to be overdue and the likely day of its end; what comes of both is told to
people alone. No rule, light or work order reads it (held by a test)."""
