"""Any image → 28×28, prepared as MNIST was.

MNIST's own preparation (LeCun et al., "Gradient-based learning applied to document recognition", 1998): the
digit fitted into 20×20 with its aspect ratio kept, anti-aliased, placed in 28×28 by its centre of mass.

    read      bytes → sketch     any picture file → greyscale, at most 280×280; what the database stores
    prepare   sketch → 28×28     white ink on black; what the model sees

`read` leaves a greyscale drawing of at most 280×280 as it is, so a stored sketch read again gives the same answer.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
from kornia_rs.io import decode_image_png_u8
from PIL import Image, ImageOps, UnidentifiedImageError

from app import photo, screening
from app.errors import AppError, ImageTooLarge, MalformedImage, NotAnImage, PictureTooComplex
from app.ink import Tones, count_tones, find_ink, is_drawn
from app.screening import MAX_PIXELS

SIDE = 28  # of what the model sees
BOX = 20  # the digit's longer side in it
KEPT_SIDE = 280  # the longer side of a stored sketch, at most
WORK_SIDE = 4 * KEPT_SIDE  # large pictures are searched for ink at this size
POSITIONS = np.arange(BOX, dtype=np.float64)  # of rows and columns, for the centre of mass

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # the JPEG plug-in reads the MPO of phones as well
PLAIN_MODES = {1: "mono", 3: "rgb", 4: "rgba"}
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")  # a file that starts so but cannot be read is damaged

# open_picture checks the size before a picture is decoded
Image.MAX_IMAGE_PIXELS = None


class Prepared(NamedTuple):
    """A picture, as it is stored and as the model sees it."""

    sketch: np.ndarray  # (h, w) uint8, at most 280×280
    image: np.ndarray  # (28, 28) float32 from 0 to 1


def read(data: bytes) -> np.ndarray:
    """A picture file as a greyscale sketch, (h, w) uint8, at most 280×280.

    Raises NotAnImage, MalformedImage, ImageTooLarge, PictureTooComplex; BlankImage where a photo or a large picture has
    no ink.
    """
    return _keep_ink(_read_grey(data))


def read_drawing(data: bytes) -> Prepared | None:
    """A picture file, read and prepared; None if it is a photo, in which finding the digit takes longer, or looks like
    one when smaller. Raises as `read` and `prepare` do.
    """
    sketch = _read_grey(data)
    tones = count_tones(sketch)
    if not is_drawn(sketch, tones):
        return None
    if max(sketch.shape) > KEPT_SIDE:
        overview = _shrink(sketch, KEPT_SIDE)
        if not is_drawn(overview, count_tones(overview)):
            return None
        sketch = _crop(sketch)
        tones = count_tones(sketch)
        if not is_drawn(sketch, tones):
            return None
    return Prepared(sketch, prepare(sketch, tones))


def open_picture(data: bytes) -> Image.Image:
    """The picture, its header read, its pixels not yet decoded. Raises NotAnImage, MalformedImage, ImageTooLarge,
    PictureTooComplex.
    """
    screening.check(data)
    with _translated(MalformedImage if data.startswith(MAGIC) else NotAnImage):
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageTooLarge
    return picture


def from_array(array: np.ndarray) -> Image.Image:
    """(h, w), (h, w, channels) or (channels, h, w) as a picture: grey, grey with alpha, RGB or RGBA; uint8, bool, or
    float from 0 to 1. Raises ValueError for what is none of these.
    """
    if array.ndim == 3 and array.shape[2] > 4 >= array.shape[0]:
        array = array.transpose(1, 2, 0)  # tensors have the channels first
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] > 4):
        raise ValueError(f"a picture is (h, w), (h, w, channels) or (channels, h, w), not {array.shape}")
    if array.dtype != np.uint8:
        values = array.astype(np.float32)
        if not (values.min() >= 0 and values.max() <= 1):  # false also for NaN
            raise ValueError("a picture that is not uint8 has values from 0 to 1")
        array = np.round(values * 255).astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def to_sketch(picture: Image.Image) -> np.ndarray:
    """As `read`, for an opened picture: all of it, or the part with ink if it is large.

    Raises MalformedImage, BlankImage.
    """
    return _keep_ink(_at_work_size(picture))


def _keep_ink(work: np.ndarray) -> np.ndarray:
    """A picture at most WORK_SIDE large as a sketch. Raises BlankImage."""
    return _crop(work if is_drawn(work, count_tones(work)) else photo.whiten(work))


def _read_grey(data: bytes) -> np.ndarray:
    """(h, w) uint8, at most WORK_SIDE."""
    if (channels := screening.plain_channels(data)) and (pixels := _decode_plain(data, channels)) is not None:
        return _shrink(_merge(pixels), WORK_SIDE)
    return _at_work_size(open_picture(data))


def _decode_plain(data: bytes, channels: int) -> np.ndarray | None:
    """(h, w, channels) uint8, in a seventh of the time that Pillow takes; None if the file is damaged.

    Pillow then says what is wrong with it, or reads it nevertheless.
    """
    width, height = screening.png_size(data)
    try:
        pixels: np.ndarray = decode_image_png_u8(data, (height, width), PLAIN_MODES[channels])
    except Exception:  # it raises no other kind
        return None
    return pixels


def _at_work_size(picture: Image.Image) -> np.ndarray:
    """(h, w) uint8."""
    with _translated():
        return _shrink(_to_grey(_decode(picture)), WORK_SIDE)


def _crop(work: np.ndarray) -> np.ndarray:
    """A drawing as a sketch: the part that holds ink, unless all of it is small enough. Raises BlankImage.

    A small copy tells where the ink is (1% of the time that a large picture takes). `prepare` finds it again in the
    part that is kept: a sketch that is read again from the database must give the same answer.
    """
    if max(work.shape) <= KEPT_SIDE:
        return work
    overview = _shrink(work, KEPT_SIDE)
    ink = find_ink(overview)
    scale = max(work.shape) / max(overview.shape)
    height, width = ink.strength.shape
    margin = 0.25 * max(height, width)
    rows = slice(max(0, int((ink.top - margin) * scale)), int((ink.top + height + margin) * scale))
    columns = slice(max(0, int((ink.left - margin) * scale)), int((ink.left + width + margin) * scale))
    return _shrink(work[rows, columns], KEPT_SIDE)


def prepare(sketch: np.ndarray, tones: Tones | None = None) -> np.ndarray:
    """A sketch, (h, w) uint8, as MNIST would hold it: (28, 28) float32, ink 1 on paper 0. Raises BlankImage.

    `tones`: as for find_ink.
    """
    digit = find_ink(sketch, tones).strength
    height, width = digit.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(digit, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return _centre_by_mass(small / small.max())


def to_png(picture: np.ndarray) -> bytes:
    """(h, w) uint8, or float32 from 0 to 1, as a greyscale PNG."""
    if picture.dtype != np.uint8:
        picture = np.round(picture * 255).astype(np.uint8)
    return cv2.imencode(".png", picture)[1].tobytes()


@contextmanager
def _translated(unidentified: type[AppError] = MalformedImage) -> Iterator[None]:
    """Translates errors of the decoders, which raise many kinds on damaged files, also when only opening them."""
    try:
        yield
    except UnidentifiedImageError as e:
        raise unidentified from e
    except MemoryError as e:
        raise PictureTooComplex from e
    except Exception as e:
        raise MalformedImage from e


def _decode(picture: Image.Image) -> Image.Image:
    """The first frame, upright; a very large picture at a fraction of its resolution, which is enough."""
    picture.draft(None, (WORK_SIDE, WORK_SIDE))
    picture.load()
    if (factor := max(picture.size) // WORK_SIDE) > 1:  # so that everything after it takes less memory
        if picture.mode == "P":
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        if picture.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
            picture = picture.reduce((min(factor, picture.width), min(factor, picture.height)))
    ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _to_grey(image: Image.Image) -> np.ndarray:
    """(h, w) uint8, of any mode: the channel in which ink and paper differ most, transparency filled with contrast."""
    if image.mode == "L":
        return np.asarray(image)
    if image.mode.startswith(("I", "F")):  # 16 bits and more
        deep = np.asarray(image).astype(np.float32)
        deep -= deep.min()
        grey: np.ndarray = deep * (255 / max(deep.max(), 1024))
        return grey.astype(np.uint8)
    if image.has_transparency_data:
        return _merge(_in_mode(image, "RGBA"))
    if image.mode in ("1", "P", "LA"):
        return np.asarray(image.convert("RGB").convert("L") if image.mode == "P" else image.convert("L"))
    return _merge(_in_mode(image, "RGB"))


def _merge(pixels: np.ndarray) -> np.ndarray:
    """Grey, RGB or RGBA, (h, w, channels) uint8 → (h, w) uint8."""
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    parts = cv2.split(pixels)
    return _strongest_channel(*parts) if len(parts) == 3 else _fill_transparency(*parts)


def _in_mode(image: Image.Image, mode: str) -> np.ndarray:
    """(h, w, channels) uint8, without the copy that Pillow makes of a picture that already has this mode."""
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _strongest_channel(*colours: np.ndarray) -> np.ndarray:
    """Red, green and blue, (h, w) uint8 each → (h, w) uint8: luminance, unless ink of that colour hardly shows in it
    (yellow on white).
    """
    red, green, blue = colours
    if np.array_equal(red, green) and np.array_equal(red, blue):  # usual from a browser's canvas
        return red
    luminance = cv2.cvtColor(cv2.merge(colours), cv2.COLOR_RGB2GRAY)
    spreads = [_spread(colour) for colour in colours]
    if _spread(luminance) > max(spreads) / 2:
        return luminance
    return colours[int(np.argmax(spreads))]


def _spread(grey: np.ndarray) -> float:
    return cv2.meanStdDev(grey)[1].item()


def _fill_transparency(red: np.ndarray, green: np.ndarray, blue: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(h, w) uint8 each → (h, w) uint8: the visible part on white or black, whichever contrasts more with it."""
    grey = _strongest_channel(red, green, blue)
    if alpha.min() == 255:
        return grey
    visible = alpha > 127
    if not visible.any():
        return np.zeros_like(alpha)
    level = int(np.median(grey[visible]))
    # mostly visible: a sheet with transparent margins, which get its colour
    ground = level if visible.mean() > 0.5 else 0 if level > 127 else 255
    return cv2.convertScaleAbs(grey * (alpha / 255.0) + ground * (1 - alpha / 255.0))


def _shrink(grey: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(grey.shape)
    if scale >= 1:
        return grey
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def _centre_by_mass(small: np.ndarray) -> np.ndarray:
    """At most (20, 20) float32 → (28, 28) float32, its centre of mass in the middle, to a whole pixel as in MNIST."""
    height, width = small.shape
    mass = small.sum()
    row = small.sum(1) @ POSITIONS[:height] / mass
    column = small.sum(0) @ POSITIONS[:width] / mass
    top = min(max(round(SIDE / 2 - row), 0), SIDE - height)
    left = min(max(round(SIDE / 2 - column), 0), SIDE - width)
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[top : top + height, left : left + width] = small
    return canvas
