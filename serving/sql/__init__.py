"""What SQL users see: the schema ``onemap``, its roles, and the data dictionary."""
