"""The hub as an Airflow provider: its Connection types with their forms.

This folder stands on PYTHONPATH (the launcher and the image put it there); its ``*.dist-info`` is all that Airflow
looks for, nothing is installed.
"""
