"""A request's picture, from the body or from a form."""

import asyncio
from asyncio import ensure_future
from time import monotonic
from typing import Annotated

import numpy as np
from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from app import decoding, imaging, screening
from app.body import parsed_form
from app.client import Client, find_client
from app.errors import (
    BODY_ERRORS,
    BadRequest,
    BlankImage,
    Busy,
    ForeignOrigin,
    ImageTooLarge,
    InvalidRequest,
    MalformedImage,
    MissingImage,
    NotAnImage,
    PictureTooComplex,
)
from app.imaging import Prepared
from app.turns import Turns

LARGE = Turns(at_once=2, waiting=16)  # pictures that are decoded in separate processes

KINDS = [f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "bmp")]
PICTURE_PART = {"encoding": {"file": {"contentType": ", ".join(KINDS)}}}
BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary", "description": "the picture"}},
    }
}
# what /docs shows for a picture in the body or in a form
PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "description": "A picture: PNG, JPEG, WebP, GIF or BMP, at most 10 MB and 40 megapixels.",
        "content": {"multipart/form-data": FORM | PICTURE_PART} | dict.fromkeys(KINDS, BINARY),
    }
}
# the errors of a route that takes a picture
PICTURE_ERRORS = (
    BadRequest,
    MalformedImage,
    ForeignOrigin,
    *BODY_ERRORS,
    ImageTooLarge,
    NotAnImage,
    BlankImage,
    MissingImage,
    PictureTooComplex,
    InvalidRequest,
    Busy,
)


async def decode_upload(request: Request, data: bytes) -> Prepared:
    """Reads and prepares a picture file, in a separate process if it may take long; that is killed if the client
    disconnects. Raises as imaging.read and imaging.prepare do, and MissingImage, Busy and ClientDisconnect.
    """
    if not data:
        raise MissingImage
    if screening.is_quick(data):
        if (limits := request.app.state.limits).on:
            await limits.turns.take(find_client(request.scope).key)
        if (drawing := imaging.read_drawing(data)) is not None:
            return drawing
    reading, gone = ensure_future(_read(data, find_client(request.scope))), ensure_future(_hang_up(request))
    try:
        await asyncio.wait({reading, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise ClientDisconnect
        sketch = reading.result()
    finally:
        reading.cancel()
        gone.cancel()
    return Prepared(sketch, imaging.prepare(sketch))


async def _read(data: bytes, client: Client) -> np.ndarray:
    start = monotonic()
    async with LARGE.take(client):
        return await decoding.decode(data, decoding.LIMIT_S - (monotonic() - start), lambda: LARGE.wanted)


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


async def read_body(request: Request) -> bytes:
    """The request's picture file, from the body or from the form field `file`. Raises MissingImage, BadRequest."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await request.body()
    async with parsed_form(request) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise MissingImage
        return await file.read()


async def _upload(request: Request) -> Prepared:
    return await decode_upload(request, await read_body(request))


Upload = Annotated[Prepared, Depends(_upload)]
