"""A run of the hub on one machine: its folder, its processes, its database, its Airflow."""
