"""What happens to every request: its size is limited, its time and outcome are counted."""

import logging
import time

from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLarge

log = logging.getLogger("app")

FORM_OVERHEAD = 10_000  # bytes that a multipart form may add around a picture
MAX_BODY = 10_000_000 + FORM_OVERHEAD  # bytes
MAX_ARCHIVE = 100_000_000 + FORM_OVERHEAD
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
    """Counts and times requests by route, for /metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status = time.perf_counter(), 500

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_status)
        finally:
            seconds = time.perf_counter() - start
            # the route's pattern, not the path: a client must not be able to make new series
            route = getattr(scope.get("route"), "path", "none")
            REQUESTS.labels(scope["method"], route, status).inc()
            SECONDS.labels(route).observe(seconds)
            log.debug("%s %s %d %.1f ms", scope["method"], scope["path"], status, 1e3 * seconds)
