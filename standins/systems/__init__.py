"""One module a source system; the numbers are those of source-systems.md."""
