"""Metrics and logs of every request."""

import logging
import time
from functools import lru_cache
from urllib.parse import quote

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs

log = logging.getLogger("app")

REQUEST_ID = "X-Request-ID"
ID_HEADER = REQUEST_ID.lower().encode()
HUNG_UP = 499  # as in nginx: the client closed the connection before the response
SLOW_S = 1.0  # a longer request is logged
READINESS = "/health/ready"  # requested every few seconds; watch.py logs when the database goes and comes

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

REQUESTS = Counter("http_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "http_request_seconds",
    "Time from request to answer",
    ["route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)


class Observe:
    """Gives every request an id, counts and times it by route for /metrics, and logs it if it failed or was slow."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status = time.perf_counter(), None
        name = logs.begin_request(_proposed_id(scope))

        async def noting_hang_up() -> Message:
            nonlocal status
            message = await receive()
            if message["type"] == "http.disconnect":
                status = status or HUNG_UP
            return message

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = status or message["status"]
                message["headers"] = [*message["headers"], (ID_HEADER, name.encode())]
            await send(message)

        try:
            await self.app(scope, noting_hang_up, noting_status)
        except Exception:  # a bug
            log.exception("%s %s failed", scope["method"], quote(scope["path"]))
            raise
        finally:
            _note(scope, status or 500, time.perf_counter() - start)


def route_path(scope: Scope) -> str:
    """The path without ROOT_PATH, which clients of the backend itself may send or leave out."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _proposed_id(scope: Scope) -> str | None:
    return next((value.decode("latin-1") for header, value in scope["headers"] if header == ID_HEADER), None)


def _note(scope: Scope, status: int, seconds: float) -> None:
    # the route's pattern and known methods only: a client must not be able to create new series
    route = getattr(scope.get("route"), "path_format", "none")
    method = scope["method"] if scope["method"] in METHODS else "other"
    counted, timed = _series(method, route, status)
    counted.inc()
    timed.observe(seconds)
    level = _level(route, status, seconds)
    if log.isEnabledFor(level):
        _log(level, scope, status, seconds)


@lru_cache(1000)
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), SECONDS.labels(route)


def _log(level: int, scope: Scope, status: int, seconds: float) -> None:
    facts = {
        "method": scope["method"],
        "path": quote(scope["path"]),  # without the query; quoted: it may contain line breaks
        "status": status,
        "milliseconds": round(1e3 * seconds, 1),
        "problem": scope.get("state", {}).get("problem", ""),
    }
    line = "%(method)s %(path)s %(status)d %(milliseconds).1f ms" + " %(problem)s" * bool(facts["problem"])
    log.log(level, line, facts, extra=facts)


def _level(route: str, status: int, seconds: float) -> int:
    if route == READINESS:
        return logging.DEBUG
    if status >= 500:
        return logging.WARNING
    return logging.INFO if status == HUNG_UP or seconds > SLOW_S else logging.DEBUG
