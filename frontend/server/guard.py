"""Checks host names, and adds security headers to every response."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import api
from server.hosts import answers_to

MISDIRECTED = {
    "error": "MisdirectedRequest",
    "detail": "This server does not answer to the name it was called by. Whoever runs it can add the name to "
    "ALLOWED_HOSTS.",
}


def _inline_scripts() -> str:
    """The hashes of the inline scripts in Streamlit's page."""
    [package] = find_spec("streamlit").submodule_search_locations
    page = Path(package, "static", "index.html").read_bytes()
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in scripts)


POLICY = "; ".join(
    [
        "default-src 'self'",
        f"script-src 'self' blob: {_inline_scripts()}",  # blob: how Streamlit loads a component's script
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
]


class Guard:
    """Middleware: refuses requests for other host names, and adds HEADERS to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        host = next((value for name, value in scope["headers"] if name == b"host"), None)
        if host is None or answers_to(host.decode("latin-1"), api.settings().allowed_hosts):
            await self.app(scope, receive, protected)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before it is accepted: 403
        else:
            await JSONResponse(MISDIRECTED, 421)(scope, receive, protected)
