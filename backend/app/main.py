"""The application.

uv run --no-default-groups uvicorn app.main:app --port 8000     then http://localhost:8000/docs
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app import logs
from app.config import get_settings
from app.database import create_pool
from app.errors import AppError, BodyTooLarge
from app.journal import Journal
from app.middleware import HUNG_UP, REQUEST_ID, LimitBody, Observe
from app.registry import Registry
from app.routes import admin, archive, health, models, predict, statistics, submissions
from app.watch import watching

log = logging.getLogger("app")

DESCRIPTION = """Reads handwritten digits, says how sure it is, and keeps what people meant.

Errors are `{"error": "BlankImage", "detail": "There is no ink on the image."}`."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    app.state.registry = Registry(settings)
    app.state.journal = Journal(settings.prediction_days)
    app.state.pool = create_pool(settings)
    await app.state.pool.open(wait=False)  # the database may come later
    pool = app.state.pool
    async with watching(pool), app.state.registry.following(pool), app.state.journal.writing(pool):
        log.info("serving %s", app.state.registry.current.version)
        yield
    await app.state.pool.close()


app = FastAPIOffline(title="Digit recogniser", version="0.1.0", description=DESCRIPTION, lifespan=lifespan)
# archive before submissions: /submissions/export is no submission's id
for routes in (predict, archive, submissions, statistics, models, admin, health):
    app.include_router(routes.router)
app.add_middleware(LimitBody)
app.add_middleware(Observe)


@app.exception_handler(AppError)
async def on_app_error(request: Request, error: AppError) -> JSONResponse:
    return _problem(request, error.status, type(error).__name__, error.detail, error.headers, error.__cause__)


@app.exception_handler(RequestValidationError)
async def on_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    complaints = [f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors()]
    return _problem(request, 422, "InvalidRequest", "; ".join(complaints))


@app.exception_handler(HTTPException)
async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    name = {404: "NotFound", 405: "MethodNotAllowed", 413: BodyTooLarge.__name__}.get(error.status_code, "BadRequest")
    return _problem(request, error.status_code, name, str(error.detail))


@app.exception_handler(ClientDisconnect)
async def on_hang_up(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=HUNG_UP)  # nobody gets it


@app.exception_handler(Exception)
async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
    name = {REQUEST_ID: logs.request_id.get()}  # this answer does not pass through Observe
    return _problem(request, 500, "InternalError", "Something went wrong here; it is in the server's log.", name)


def _problem(
    request: Request,
    status: int,
    error: str,
    detail: str,
    headers: dict[str, str] | None = None,
    cause: BaseException | None = None,
) -> JSONResponse:
    """The answer. For the log, not for the client, also what caused a failure of ours."""
    request.state.problem = f"{error}: {detail}" + (f" ({cause})" if cause and status >= 500 else "")
    return JSONResponse({"error": error, "detail": detail}, status, headers)
