"""Alerts as incidents: what is wrong is opened once, repeated by a schedule, and closed by a message when it is over.

``detect`` says what is wrong now, ``incidents`` keeps it, ``routes`` says who is told of what and when, ``send`` tells them;
``reminding`` sends the reminders of :mod:`supervision.care` by the same channels.
"""

from serving.alerts.incidents import open_incidents, recent, report, resolve
from serving.alerts.reminding import run as remind
from serving.alerts.run import run, try_route

__all__ = ["open_incidents", "recent", "remind", "report", "resolve", "run", "try_route"]
