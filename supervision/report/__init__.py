"""The city's state in a page: numbers, tables, charts, Chinese first, no outside assets."""

from supervision.report.page import html
from supervision.report.state import State, gather

__all__ = ["State", "gather", "html"]
