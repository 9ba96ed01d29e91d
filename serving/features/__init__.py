"""OGC API – Features by pygeoapi, over the store's WKB and behind the same keys."""
