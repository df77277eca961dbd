"""A request's picture, from the body or from a form, as a sketch."""

from typing import Annotated

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from app import imaging
from app.errors import MissingImage

# a smaller picture is read faster than a thread takes over; a larger one would keep others waiting
INLINE_PIXELS = 500_000
# each may take hundreds of megabytes while it is decoded; the others wait
LARGE_AT_ONCE = CapacityLimiter(2)

BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary", "description": "the picture"}},
    }
}
# what /docs shows for a picture that comes as the body or in a form
PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "description": "A picture: PNG, JPEG, WebP, GIF or BMP, at most 10 MB and 40 megapixels.",
        "content": {"multipart/form-data": FORM}
        | {f"image/{kind}": BINARY for kind in ("png", "jpeg", "webp", "gif", "bmp")},
    }
}


async def to_sketch(data: bytes) -> np.ndarray:
    """As imaging.read: (h, w) uint8; large pictures in a thread. Raises MissingImage too."""
    if not data:
        raise MissingImage
    picture = imaging.open_picture(data)
    if picture.width * picture.height <= INLINE_PIXELS:
        return imaging.to_sketch(picture)
    return await to_thread.run_sync(imaging.to_sketch, picture, limiter=LARGE_AT_ONCE)


async def _sketch(request: Request) -> np.ndarray:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await to_sketch(await request.body())
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise MissingImage
        return await to_sketch(await file.read())


Sketch = Annotated[np.ndarray, Depends(_sketch)]
