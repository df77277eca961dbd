"""Protects against other sites in a user's browser: checks a request's Host and Origin, and adds security headers."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import get_settings
from app.errors import AppError, ForeignOrigin, MisdirectedRequest
from app.hosts import answers_to

Header = tuple[bytes, bytes]

READING = {"GET", "HEAD", "OPTIONS", "TRACE"}
OWN_SITES = {b"same-origin", b"none"}  # none: the user did it, for example by a reload

COMMON: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# JSON and pictures load nothing, even if a browser shows them as a page
DATA = [*COMMON, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")]
# /docs and /redoc have an inline script; ReDoc searches in a worker
DOCS = [
    *COMMON,
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]
NO_STORE: Header = (b"cache-control", b"no-store")


class Guard:
    """Refuses requests for another host and writes from another site; adds security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = protect(message["headers"])
            await send(message)

        if error := _objection(scope):
            scope.setdefault("state", {})["problem"] = type(error).__name__
            answer = JSONResponse({"error": type(error).__name__, "detail": error.detail}, error.status)
            return await answer(scope, receive, protected)
        await self.app(scope, receive, protected)


def _objection(scope: Scope) -> AppError | None:
    host = origin = site = None
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"origin":
            origin = value
        elif name == b"sec-fetch-site":
            site = value
    if host is not None and not answers_to(host.decode("latin-1"), get_settings().allowed_hosts):
        return MisdirectedRequest()
    if scope["method"] not in READING and not _is_own(site, origin, host):
        return ForeignOrigin()
    return None


def _is_own(site: bytes | None, origin: bytes | None, host: bytes | None) -> bool:
    """Browsers send Sec-Fetch-Site, or over plain http only Origin; other programs send neither."""
    if site is not None:
        return site in OWN_SITES
    return origin is None or origin.partition(b"://")[2] == host


def protect(headers: list[Header]) -> list[Header]:
    """With security headers; without caching, unless the response has caching headers of its own."""
    page, kept = False, False
    for name, value in headers:
        if name == b"content-type":
            page = value.startswith(b"text/html")
        elif name in (b"cache-control", b"etag"):  # etag: the files of /docs
            kept = True
    return [*headers, *(DOCS if page else DATA), *(() if kept else (NO_STORE,))]
