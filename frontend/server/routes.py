"""Routes for the Draw page's script: its files, and calls that are passed on to the backend's API."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

import api
import client
from server import compression

SCRIPTS = Path(__file__).resolve().parent.parent / "draw"
MAX_BODY = 10_010_000  # bytes, as in the backend: a picture of 10 MB and the form around it
AT_ONCE = 64  # concurrent calls to the backend
SMALL_BODY = 100_000  # bytes; drawings are smaller
LARGE_AT_ONCE = 8  # concurrent larger bodies: slow uploads keep no drawing from being read
ARRIVING = 1000  # concurrent bodies that have not arrived completely
UPLOAD_S = 30  # to receive a picture
BUSY = "Too many at once. Try again in a moment."
PASSED_ON = ("content-type", "idempotency-key")
NAMES = {408: "TooSlow", 413: "BodyTooLarge", 503: "Busy"}
PASSED_BACK = ("content-type", "retry-after")

Endpoint = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    yield
    await api.close()


class Slots:
    """A limit on concurrency: of all, three quarters of it for one address, and one quarter for one visit."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._taken: Counter[tuple[str, ...]] = Counter()

    @contextmanager
    def take(self, request: Request) -> Iterator[None]:
        """Raises HTTPException (503)."""
        address, visit = client.address(request, api.settings().secret), client.find_visit(request)
        most = {(): self._number, (address,): 3 * self._number // 4, (address, visit): self._number // 4}
        if any(self._taken[who] >= number for who, number in most.items()):
            raise HTTPException(503, BUSY, {"Retry-After": "1"})
        self._taken.update(most.keys())
        try:
            yield
        finally:
            self._taken.subtract(most.keys())
            self._taken = +self._taken  # without those that have none


class Calls:
    """Passes calls on to the backend, if they are from our own page, valid, not too large and not too many."""

    def __init__(self) -> None:
        self._arriving, self._large, self._calls = Slots(ARRIVING), Slots(LARGE_AT_ONCE), Slots(AT_ONCE)

    def to(self, path: str, **fixed: str) -> Endpoint:
        """An endpoint that calls the backend's `path`, with the query's `digit`, if any, and the `fixed` parameters."""

        async def endpoint(request: Request) -> Response:
            if not _is_ours(request):
                return _problem(403, "ForeignOrigin", "This call is for the page itself.")
            if not all(request.headers.get(name, "").isprintable() for name in PASSED_ON):
                return _problem(400, "BadRequest", "A header holds control characters.")
            try:
                with ExitStack() as held:
                    with self._arriving.take(request):
                        body = await self._read(request, held)
                    held.enter_context(self._calls.take(request))
                    return await _pass_on(request, path, body, fixed)
            except HTTPException as e:
                return _problem(e.status_code, NAMES[e.status_code], e.detail, e.headers)

        return endpoint

    async def _read(self, request: Request, held: ExitStack) -> bytes:
        """The body. If it is large, `held` keeps a slot for it. Raises HTTPException."""
        announced = request.headers.get("content-length", "")
        body = bytearray()
        too_large = announced.isdigit() and int(announced) > MAX_BODY
        is_large = False
        try:
            async with asyncio.timeout(UPLOAD_S):
                async for chunk in request.stream():
                    body += chunk
                    if too_large or len(body) > MAX_BODY:
                        raise HTTPException(413, "The request is larger than 10 MB.")
                    if len(body) > SMALL_BODY and not is_large:
                        held.enter_context(self._large.take(request))
                        is_large = True
        except TimeoutError as e:
            raise HTTPException(408, "The picture took too long to arrive.") from e
        return bytes(body)


async def _pass_on(request: Request, path: str, body: bytes, fixed: dict[str, str]) -> Response:
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    headers |= client.of_request(request, api.settings().secret)
    query = fixed | {name: value for name, value in request.query_params.items() if name == "digit"}
    try:
        answer = await api.forward(request.method, path, content=body, headers=headers, params=query)
    except api.Unreachable as e:
        return _problem(503, "Unreachable", str(e))
    headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    return Response(answer.content, answer.status_code, headers | {"Cache-Control": "no-store"})


def _is_ours(request: Request) -> bool:
    """Whether the request is from a page of this server. Streamlit's own check does not cover these routes."""
    if request.method == "GET":  # of what everybody may know; browsers do not always say from where
        return True
    if site := request.headers.get("sec-fetch-site"):  # what browsers say of their own, to https and this machine
        return site == "same-origin"
    return request.headers.get("origin", "").partition("://")[2] == request.headers.get("host")


def _problem(status: int, error: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "detail": detail}, status, headers)


def _canvas() -> Path:
    """The folder with streamlit-drawable-canvas's script. Importing the package would need Streamlit's runtime."""
    [package] = find_spec("streamlit_drawable_canvas").submodule_search_locations
    [script] = Path(package, "frontend", "build").glob("index-*.js")
    return script


def _file(path: Path) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await compression.respond(request.headers, path, compression.CHECKED)

    return endpoint


_calls = Calls()
ROUTES: list[BaseRoute] = [
    Route("/page/read", _calls.to("/predict", preview="true", log="false"), methods=["POST"]),
    Route("/page/explain", _calls.to("/explain"), methods=["POST"]),
    Route("/page/submissions", _calls.to("/submissions", log="true"), methods=["POST"]),
    Route("/page/submissions", _calls.to("/submissions"), methods=["DELETE"]),
    Route("/page/serving", _calls.to("/models/serving"), methods=["GET"]),
    Route("/page/script/canvas.js", _file(_canvas())),
    *(Route(f"/page/script/{script.name}", _file(script)) for script in SCRIPTS.glob("*.js")),
]
