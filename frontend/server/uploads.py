"""Refuses files from visitors: Streamlit keeps what a session uploads in memory, as much as it likes."""

import re

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from common import admin

UPLOAD = re.compile(r"/_stcore/upload_file/(?P<session>[^/]+)/[^/]+")
REFUSED = {"error": "NotAllowed", "detail": "Only those who signed in with the admin token upload files."}


class Uploads:
    """Middleware: of all PUT requests, lets only the uploads of sessions that signed in pass."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "PUT" and not _is_allowed(scope["path"]):
            return await JSONResponse(REFUSED, 403)(scope, receive, send)
        await self.app(scope, receive, send)


def _is_allowed(path: str) -> bool:
    upload = UPLOAD.fullmatch(path)
    return upload is not None and upload["session"] in admin.SESSIONS
