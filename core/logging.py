"""Logging with the one filter that keeps secrets out of it."""

from __future__ import annotations

import logging
import sys

from core.redaction import RedactingFilter, redact, without_values


class _Traceback(logging.Filter):
    """The text of an exception leaves redacted too."""

    _format = logging.Formatter().formatException

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and not record.exc_text:
            record.exc_text = without_values(redact(self._format(record.exc_info)))
        elif record.exc_text:
            record.exc_text = without_values(redact(record.exc_text))
        return True


def guard() -> None:
    """Put the redactor on every handler that there is (idempotent): whoever configured logging, nothing leaves unseen."""
    loggers = [
        logging.getLogger(),
        *(x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger)),
    ]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if not any(isinstance(f, RedactingFilter) for f in handler.filters):
            handler.addFilter(RedactingFilter())
            handler.addFilter(_Traceback())


def configure(level: int = logging.WARNING) -> None:
    """For the command line: plain lines on standard error, redacted."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    guard()
