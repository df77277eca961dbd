"""What happens to every request: its size is limited, its time and outcome are counted and logged."""

import logging
import time
from urllib.parse import quote

from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.errors import BodyTooLarge

log = logging.getLogger("app")

FORM_OVERHEAD = 10_000  # bytes that a multipart form may add around a picture
MAX_BODY = 10_000_000 + FORM_OVERHEAD  # bytes
MAX_ARCHIVE = 100_000_000 + FORM_OVERHEAD
REQUEST_ID = "X-Request-ID"
HUNG_UP = 499  # as nginx has it: the client went before it had its answer
SLOW_S = 1.0  # a longer request is logged
READINESS = "/health/ready"  # asked every few seconds; the log says when the database goes and comes

IMPORT = ("POST", "/submissions/import")  # reads its body into a file, and only for an admin

REQUESTS = Counter("http_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "http_request_seconds",
    "Time from request to answer",
    ["route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)


class LimitBody:
    """Refuses larger bodies, by their announced length or, where there is none, as they come in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        limit, detail = MAX_BODY, BodyTooLarge.__doc__
        if (scope["method"], scope["path"]) == IMPORT:
            limit, detail = MAX_ARCHIVE, "The archive is larger than 100 MB."
        too_large = announced.isdigit() and int(announced) > limit
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if too_large or received > limit:
                raise HTTPException(BodyTooLarge.status, detail)
            return message

        await self.app(scope, counted, send)


class Observe:
    """Gives every request an id, counts and times it by route for /metrics, and logs it if it failed or was slow."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status = time.perf_counter(), None
        name = logs.begin_request(Headers(scope=scope).get(REQUEST_ID))

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
                MutableHeaders(scope=message)[REQUEST_ID] = name
            await send(message)

        try:
            await self.app(scope, noting_hang_up, noting_status)
        finally:
            _note(scope, status or 500, time.perf_counter() - start)


def _note(scope: Scope, status: int, seconds: float) -> None:
    # the route's pattern, not the path: a client must not be able to make new series
    route = getattr(scope.get("route"), "path", "none")
    REQUESTS.labels(scope["method"], route, status).inc()
    SECONDS.labels(route).observe(seconds)
    facts = {
        "method": scope["method"],
        "path": quote(scope["path"]),  # without the query; quoted: it may hold line breaks
        "status": status,
        "milliseconds": round(1e3 * seconds, 1),
        "problem": scope.get("state", {}).get("problem", ""),
    }
    line = "%(method)s %(path)s %(status)d %(milliseconds).1f ms" + " %(problem)s" * bool(facts["problem"])
    log.log(_level(route, status, seconds), line, facts, extra=facts)


def _level(route: str, status: int, seconds: float) -> int:
    if route == READINESS:
        return logging.DEBUG
    if status >= 500:
        return logging.WARNING
    return logging.INFO if status == HUNG_UP or seconds > SLOW_S else logging.DEBUG
