"""Logging as text or as JSON, each line with the id of its request."""

import logging
import os
import re
import warnings
from contextvars import ContextVar
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)  # of the current request

WELL_FORMED = re.compile(r"[A-Za-z0-9-]{1,64}")
UNPRINTABLE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def begin_request(proposed: str | None) -> str:
    """Sets the id of the current request: the proposed one if it is well-formed, else a new one."""
    name = proposed if proposed and WELL_FORMED.fullmatch(proposed) else os.urandom(16).hex()
    request_id.set(name)
    return name


# granian's log goes to the root logger; its access log, which contains the clients' addresses, is off
GRANIAN = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}}
BUG = "Application callable raised an exception"  # granian's message for errors that Observe has logged already


def configure(level: str, log_format: LogFormat) -> None:
    """Sends all logs, granian's included, to stderr; unless the root logger has handlers already."""
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if log_format == "json" else _Text())
    handler.addFilter(_complete)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)
    # Pillow's about damaged files: any client could fill the log, and Python remembers each
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("app").setLevel(level.upper())


def _complete(record: logging.LogRecord) -> bool:
    """Adds the request's id. Drops what would be logged twice."""
    record.request_id = request_id.get()
    return not (record.name.startswith("_granian") and record.getMessage().startswith(BUG))


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """One line, even if a client sent line breaks."""
        line = super().formatMessage(record).translate(UNPRINTABLE)
        name = request_id.get()
        return f"{line} [{name}]" if name else line


def _json() -> logging.Formatter:
    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
        timestamp="time",
    )
