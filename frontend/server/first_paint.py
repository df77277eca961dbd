"""Puts the style sheet into the page's first bytes, so that nothing moves while the page loads.

Streamlit sends a page's own styles with its content, after showing a frame without them.
"""

from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STYLE = Path(__file__).resolve().parent.parent / "common" / "style.css"
BODY_ENDS = b"</body>"  # after Streamlit's styles in the head: of equal rules the later one counts


class FirstPaint:
    """Middleware that inserts the style sheet into every HTML page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
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
