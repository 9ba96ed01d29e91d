"""Who asks: SQL views, REST API, change feed, features, tiles, metrics."""
