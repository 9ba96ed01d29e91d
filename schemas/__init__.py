"""The common model: entities, code lists, contracts of the raw feeds, the catalogue's seed."""
