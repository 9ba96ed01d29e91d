"""What can be asked of the store: the same functions for the API, the pages and the reports. One query a part."""
