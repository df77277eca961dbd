"""What the Draw page's script asks of this server: its own files, and a few calls that go on to the backend's API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

import api

SCRIPTS = Path(__file__).with_name("draw")
MAX_BODY = 10_010_000  # bytes, as in the backend: a picture of 10 MB and the form around it
AT_ONCE = 64  # calls; each may hold a picture in memory
UPLOAD_S = 60  # for the picture to come in
PASSED_ON = ("content-type", "idempotency-key")
PASSED_BACK = ("content-type", "retry-after")

Endpoint = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    yield
    await api.close()


class Calls:
    """Passes calls on to the backend: from our own page, not too large, not too many at once."""

    def __init__(self) -> None:
        self.running = 0

    def to(self, path: str, **fixed: str) -> Endpoint:
        """The endpoint that calls `path` there, with the query's `digit`, if any, and what is `fixed`."""

        async def endpoint(request: Request) -> Response:
            if not _is_ours(request):
                return _problem(403, "ForeignOrigin", "This call is for the page itself.")
            if self.running >= AT_ONCE:
                return _problem(503, "Busy", "Too many at once. Try again in a moment.", {"Retry-After": "1"})
            self.running += 1
            try:
                return await _pass_on(request, path, fixed)
            finally:
                self.running -= 1

        return endpoint


async def _pass_on(request: Request, path: str, fixed: dict[str, str]) -> Response:
    try:
        async with asyncio.timeout(UPLOAD_S):
            body = await _read(request)
    except TimeoutError:
        return _problem(408, "TooSlow", "The picture took too long to arrive.")
    except HTTPException as e:
        return _problem(e.status_code, "BodyTooLarge", e.detail)
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    query = fixed | {name: value for name, value in request.query_params.items() if name == "digit"}
    try:
        answer = await api.forward(request.method, path, content=body, headers=headers, params=query)
    except api.Unreachable as e:
        return _problem(503, "Unreachable", str(e))
    headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    return Response(answer.content, answer.status_code, headers | {"Cache-Control": "no-store"})


def _is_ours(request: Request) -> bool:
    """Whether a page of this very server asks. Streamlit's own check does not cover these routes."""
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host")


async def _read(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    body = bytearray()
    too_large = announced.isdigit() and int(announced) > MAX_BODY
    async for chunk in request.stream():
        body += chunk
        if too_large or len(body) > MAX_BODY:
            raise HTTPException(413, "The request is larger than 10 MB.")
    return bytes(body)


def _problem(status: int, error: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "detail": detail}, status, headers)


def _canvas() -> Path:
    """The script of streamlit-drawable-canvas. Importing the package would ask for Streamlit's runtime."""
    [package] = find_spec("streamlit_drawable_canvas").submodule_search_locations
    [script] = Path(package, "frontend", "build").glob("index-*.js")
    return script


def _file(path: Path) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        # asked for again each time, and mostly answered with "not modified": a new release is seen at once
        return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    return endpoint


_calls = Calls()
ROUTES: list[BaseRoute] = [
    Route("/page/read", _calls.to("/predict", preview="true", log="false"), methods=["POST"]),
    Route("/page/explain", _calls.to("/explain"), methods=["POST"]),
    Route("/page/submissions", _calls.to("/submissions", log="true"), methods=["POST"]),
    Route("/page/submissions", _calls.to("/submissions"), methods=["DELETE"]),
    Route("/page/script/canvas.js", _file(_canvas())),
    *(Route(f"/page/script/{script.name}", _file(script)) for script in SCRIPTS.glob("*.js")),
]
