"""The application.

Served by app/server.py.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app import logs
from app.batching import Batches
from app.bodies import LimitBody, Refused
from app.config import get_settings
from app.connections import NoteInUse
from app.database import create_pool
from app.errors import AppError, BadRequest, MisdirectedRequest, TooManyRequests, responses
from app.guard import Guard, protect
from app.journal import Journal
from app.limits import LimitRequests, Limits
from app.middleware import REQUEST_ID, Observe
from app.races import Races
from app.registry import Registry
from app.routes import admin, archive, health, models, predict, retrainings, statistics, submissions
from app.watch import watching
from app.workers import returning_memory

log = logging.getLogger("app")

DESCRIPTION = """Reads handwritten digits, says how sure it is, and keeps what people meant.

Errors are `{"error": "BlankImage", "detail": "There is no ink on the image."}`."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    app.root_path = settings.root_path
    app.state.registry = Registry(settings)
    app.state.journal = Journal(settings.prediction_days)
    app.state.limits = Limits(settings)
    app.state.batches = Batches()
    app.state.pool = create_pool(settings)
    await app.state.pool.open(wait=False)  # the database may become available later
    pool = app.state.pool
    app.openapi()  # generating it takes 0.2 s, which would block other requests
    async with (
        returning_memory(),
        watching(pool),
        app.state.registry.following(pool),
        Races(app.state.registry).racing(pool),
        app.state.journal.writing(pool),
        app.state.limits.tidying(pool),
    ):
        log.info("serving %s", app.state.registry.current.version)
        yield
    await app.state.pool.close()


app = FastAPIOffline(
    title="Digit recogniser",
    version="0.1.0",
    description=DESCRIPTION,
    lifespan=lifespan,
    responses=responses(MisdirectedRequest),
    redirect_slashes=False,  # /predict/ is not there; a redirection would lack ROOT_PATH
    telemetry={"tracing": False, "metrics": False, "logs": False},  # else each request looks for OpenTelemetry
)
# archive before submissions, so that /submissions/export is not taken for a submission's id
for routes in (predict, archive, submissions, statistics, models, retrainings, admin):
    app.include_router(routes.router, responses=responses(TooManyRequests))
app.include_router(health.router)
app.add_middleware(LimitBody)
app.add_middleware(LimitRequests)
app.add_middleware(Guard)
app.add_middleware(Observe)
app.add_middleware(NoteInUse)


@app.exception_handler(AppError)
async def on_app_error(request: Request, error: AppError) -> JSONResponse:
    return _problem(request, error.status, type(error).__name__, error.detail, error.headers, error.__cause__)


@app.exception_handler(RequestValidationError)
async def on_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    problems = [f"{_field(*each['loc'])}: {each['msg']}" for each in error.errors() if each["type"] != "none_required"]
    return _problem(request, 422, "InvalidRequest", "; ".join(problems))


def _field(place: str, *path: str | int) -> str | int:
    """The name of a parameter or field; after it, pydantic adds which type it tried, or where in a list it is."""
    return path[0] if path else place


@app.exception_handler(HTTPException)
async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    if isinstance(error, Refused):
        return _problem(request, error.status_code, error.name, error.detail, error.headers)
    name = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, BadRequest.__name__)
    # Starlette's header only lists the methods of the first route with this path
    headers = {"Allow": _methods(request)} if error.status_code == 405 else error.headers
    return _problem(request, error.status_code, name, str(error.detail), headers)


def _methods(request: Request) -> str:
    """The methods that this path accepts."""
    path = request.scope["path"]
    routes = [route for route in iter_route_contexts(request.app.routes) if getattr(route, "methods", None)]
    here: list[set[str]] = [route.methods or set() for route in routes if route.path_regex.match(path)]
    return ", ".join(sorted(set[str]().union(*here)))


@app.exception_handler(ClientDisconnect)
async def on_hang_up(request: Request, error: ClientDisconnect) -> JSONResponse:
    # for a client that is still there, but whose body breaks off; the log says HUNG_UP
    return _problem(request, 400, BadRequest.__name__, "The request did not arrive completely.")


@app.exception_handler(Exception)
async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
    name = {REQUEST_ID: logs.request_id.get() or ""}  # this response does not pass through Observe and Guard
    answer = _problem(request, 500, "InternalError", "Something went wrong here; it is in the server's log.", name)
    answer.raw_headers = protect(answer.raw_headers)
    return answer


def _problem(
    request: Request,
    status: int,
    error: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    cause: BaseException | None = None,
) -> JSONResponse:
    """The error's response. The cause of a server error is logged, but not sent."""
    request.state.problem = f"{error}: {detail}" + (f" ({cause})" if cause and status >= 500 else "")
    return JSONResponse({"error": error, "detail": detail}, status, headers)
