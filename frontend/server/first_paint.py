"""Puts the style sheet into the page's first bytes, so that nothing moves while the page loads.

Streamlit sends a page's own styles with its content, after showing a frame without them. It also sends this page for
every path that nothing else answers; here, those that no view has are 404.
"""

from importlib.util import find_spec
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRONTEND = Path(__file__).resolve().parent.parent
STYLE = FRONTEND / "common" / "style.css"
PATHS = {"/", *(f"/{view.stem}" for view in FRONTEND.glob("views/*.py"))}
BODY_ENDS = b"</body>"  # after Streamlit's styles in the head: of equal rules the later one counts
NOT_FOUND = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Page not found \xc2\xb7 Digit recogniser</title>
<style>
:root { color-scheme: light dark; }
body { margin: 20vh auto; text-align: center; font: 1.1rem/1.6 "Source Sans", sans-serif; }
</style></head>
<body><h1>Page not found</h1><p><a href="/">Draw a digit</a></p></body></html>"""


def _page() -> bytes:
    [package] = find_spec("streamlit").submodule_search_locations
    return Path(package, "static", "index.html").read_bytes()


class FirstPaint:
    """Middleware that inserts the style sheet into every HTML page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.page = _page()
        self.style = b"<style>" + STYLE.read_bytes() + b"</style>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _asks_for_html(scope):
            return await self.app(scope, receive, send)
        start: Message = {}
        body = bytearray()

        async def styled(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    if body == self.page and scope["path"] not in PATHS:
                        start["status"], whole = 404, NOT_FOUND
                    else:
                        whole = bytes(body).replace(BODY_ENDS, self.style + BODY_ENDS, 1)
                    headers = [each for each in start["headers"] if each[0].lower() not in (b"content-length", b"etag")]
                    headers.append((b"content-length", str(len(whole)).encode()))
                    await send(start | {"headers": headers})
                    await send({"type": "http.response.body", "body": whole})

        # neither compressed, which hides </body>, nor "not modified", since the style sheet may have changed
        kept = [each for each in scope["headers"] if not each[0].startswith((b"accept-encoding", b"if-"))]
        await self.app(scope | {"headers": kept}, receive, styled)


def _asks_for_html(scope: Scope) -> bool:
    accepted = dict(scope["headers"]).get(b"accept", b"")
    return scope["method"] == "GET" and b"text/html" in accepted
