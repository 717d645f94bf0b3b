"""Log lines: for people, or one JSON object a line. Callers never log message bodies or secrets."""

import datetime
import logging
import sys
from typing import Final

import orjson

from realtime.settings.schema import LogSettings

_ONLY_WARNINGS: Final = ("pymongo", "redis", "asyncio")
"""Libraries of which nothing below a warning is logged, whatever the settings say. At debug PyMongo
prints each command with its documents: message bodies, client ids and ids of tokens. What redis-py
prints there is no promise of its makers', and it has the password in hand."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        fields = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _text(record.getMessage()),
        }
        if record.exc_info:
            fields["traceback"] = _text(self.formatException(record.exc_info))
        return orjson.dumps(fields).decode()


def _text(text: str) -> str:
    """The text without lone surrogates, which JSON cannot hold and names of files may have."""
    return text.encode(errors="backslashreplace").decode()


def configure_logging(settings: LogSettings) -> None:
    """Log to standard error as the settings say. For the process that runs a hub, once."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _ONLY_WARNINGS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # It logs what strangers wrote, secrets in malformed headers included; our own boundary in
    # `realtime.server.http` logs what went wrong here.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
