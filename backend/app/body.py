"""Bodies that are no picture: bounded, and read only when the route's dependencies have let the caller in."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from app.errors import BadRequest, BodyTooLarge, InvalidRequest

MAX_JSON = 100_000  # bytes; 200 ids take 8,000
FORM = {"max_files": 1, "max_fields": 10, "max_part_size": 10_000}  # bytes, of a field

T = TypeVar("T", bound=BaseModel)


def json_body(model: type[T], default: T | None = None) -> Any:
    """The dependency that reads a `model`; an empty body is the `default`, if there is one.

    As a parameter of the route, FastAPI would read and parse the body first and ask for the token then. Raises
    BodyTooLarge, InvalidRequest, RequestValidationError.
    """

    async def read(request: Request) -> T:
        body = await _read(request)
        if default is not None and not body:
            return default
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest("The body must be JSON, with Content-Type: application/json.")
        try:
            return model.model_validate_json(body)
        except ValidationError as e:
            raise RequestValidationError([each | {"loc": ("body", *each["loc"])} for each in e.errors()]) from e

    return Depends(read)


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise BodyTooLarge(f"The request is larger than {MAX_JSON // 1000} kB.")
    return bytes(body)


def described(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """What /docs shows for a json_body: a route's `openapi_extra`."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)  # other routes have them among the components
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


@asynccontextmanager
async def parsed_form(request: Request) -> AsyncIterator[FormData]:
    """A form that holds one file and few fields. Raises BadRequest, and Starlette's HTTPException."""
    try:
        form = await request.form(**FORM)
    except UnicodeError as e:  # by the `charset` that the client names
        raise BadRequest("The form's charset cannot be used.") from e
    try:
        yield form
    finally:
        await form.close()


class _SmallForms(Request):
    def form(self, **limits: Any) -> Any:
        return super().form(**FORM | limits)


class FormRoute(APIRoute):
    """A route whose form holds one file and few fields; FastAPI itself would take a thousand of each."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_small(request: Request) -> Response:
            return await handle(_SmallForms(request.scope, request.receive))

        return handle_small
