"""The log: lines to read on a terminal, or JSON for a collector; each says which request it belongs to."""

import logging
import re
import uuid
from contextvars import ContextVar
from typing import Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)  # of the request being answered

WELL_FORMED = re.compile(r"[A-Za-z0-9-]{1,64}")
UNPRINTABLE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def begin_request(proposed: str | None) -> str:
    """Names the request that the current task answers: as the client proposes, if that is well-formed."""
    name = proposed if proposed and WELL_FORMED.fullmatch(proposed) else uuid.uuid4().hex
    request_id.set(name)
    return name


def configure(level: str, log_format: LogFormat) -> None:
    """Sends all that is logged, uvicorn's lines included, to stderr. The root logger keeps handlers that it has."""
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if log_format == "json" else _Text())
    handler.addFilter(_complete)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)
    logging.getLogger("app").setLevel(level.upper())
    # not debug: it would show whole headers, the admin token among them
    logging.getLogger("uvicorn.error").setLevel("INFO" if level == "debug" else level.upper())
    for name in ("uvicorn", "uvicorn.access"):  # both have handlers of their own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold the clients' addresses


def _complete(record: logging.LogRecord) -> bool:
    """Adds the request's id. Leaves out uvicorn's lines on WebSockets, which hold the client's address and query."""
    record.request_id = request_id.get()
    return '"WebSocket %s"' not in str(record.msg)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """One line, whatever a client put into it."""
        line = super().formatMessage(record).translate(UNPRINTABLE)
        return f"{line} [{record.request_id}]" if record.request_id else line


def _json() -> logging.Formatter:
    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
        reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # uvicorn's, for terminals
        timestamp="time",
    )
