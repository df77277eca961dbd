"""For schemathesis: what is a picture and what an archive. It knows the names of their types, and would send noise."""

import io
import itertools
import zipfile
from contextlib import suppress
from uuid import UUID, uuid5

import schemathesis
from hypothesis import strategies as st
from PIL import Image

from tests.drawings import draw

KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF", "image/bmp": "BMP"}
NUMBERS = itertools.count()


def picture(digit: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw(digit)).save(file, kind)
    return file.getvalue()


def archive(digits: list[int]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for number, digit in enumerate(digits):
            zipped.writestr(f"{digit}/{number}.png", picture(digit))
    return file.getvalue()


digits = st.integers(0, 9)
for media_type, kind in KINDS.items():
    schemathesis.openapi.media_type(media_type, digits.map(lambda digit, kind=kind: picture(digit, kind)))
schemathesis.openapi.media_type("application/zip", st.lists(digits, min_size=1, max_size=3).map(archive))


@schemathesis.hook
def map_headers(context, headers):
    """A key of its own for each sketch: one that comes again with another picture is refused, as it should be."""
    key = headers and headers.get("idempotency-key")
    with suppress(TypeError, ValueError, AttributeError):  # none, or none that is well-formed: that is what is tried
        headers["idempotency-key"] = str(uuid5(UUID(key), str(next(NUMBERS))))
    return headers
