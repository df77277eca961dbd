"""Any image → 28×28, prepared as MNIST was.

MNIST's own preparation (LeCun et al., "Gradient-based learning applied to document recognition", 1998): the
digit fitted into 20×20 with its aspect ratio kept, anti-aliased, placed in 28×28 by its centre of mass.

    read      bytes → sketch     any picture file → greyscale, at most 280×280; what the database keeps
    prepare   sketch → 28×28     white ink on black; what the model sees

`read` leaves a greyscale picture of at most 280×280 as it is, so a stored sketch read again gives the same answer.
"""

import io

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from app.errors import ImageTooLarge, MalformedImage, NotAnImage
from app.ink import find_ink
from app.sheet import find_sheet

SIDE = 28  # of what the model sees
BOX = 20  # the digit's longer side in it
KEPT_SIDE = 280  # the longer side of a kept sketch, at most
WORK_SIDE = 4 * KEPT_SIDE  # large pictures are searched for ink at this size
MAX_PIXELS = 40_000_000

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # the JPEG plug-in reads the MPO of phones as well
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")  # a file that starts so and is not understood is damaged

# a picture's size is checked here, before it is decoded
Image.MAX_IMAGE_PIXELS = None


def read(data: bytes) -> np.ndarray:
    """A picture file as a greyscale sketch, (h, w) uint8, at most 280×280.

    Raises NotAnImage, MalformedImage, ImageTooLarge; BlankImage where a large picture has no ink to crop to.
    """
    return to_sketch(open_picture(data))


def open_picture(data: bytes) -> Image.Image:
    """The picture, its header read, its pixels not yet decoded. Raises NotAnImage, MalformedImage, ImageTooLarge."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as e:
        raise (MalformedImage if data.startswith(MAGIC) else NotAnImage) from e
    except Exception as e:  # decoders raise what they like on damaged files
        raise MalformedImage from e
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageTooLarge
    return picture


def from_array(array: np.ndarray) -> Image.Image:
    """(h, w), (h, w, channels) or (channels, h, w) as a picture: grey, grey with alpha, RGB or RGBA; uint8, bool, or
    float from 0 to 1. Raises ValueError for what is none of these.
    """
    if array.ndim == 3 and array.shape[2] > 4 >= array.shape[0]:
        array = array.transpose(1, 2, 0)  # as tensors have it
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] > 4):
        raise ValueError(f"a picture is (h, w), (h, w, channels) or (channels, h, w), not {array.shape}")
    if array.dtype != np.uint8:
        values = array.astype(np.float32)
        if not (values.min() >= 0 and values.max() <= 1):  # also where one is not a number
            raise ValueError("a picture that is not uint8 has values from 0 to 1")
        array = np.round(values * 255).astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def to_sketch(picture: Image.Image) -> np.ndarray:
    """As `read`, of an opened picture; of a large one, the part that holds ink. Raises MalformedImage, BlankImage."""
    grey = _to_grey(_decode(picture))
    if max(grey.shape) <= KEPT_SIDE:
        return grey
    work = _shrink(grey, WORK_SIDE)
    overview = _shrink(work, KEPT_SIDE)
    scale = max(work.shape) / max(overview.shape)
    work = work[tuple(slice(int(part.start * scale), int(part.stop * scale)) for part in find_sheet(overview))]
    overview = _shrink(work, KEPT_SIDE)
    ink = find_ink(overview)
    scale = max(work.shape) / max(overview.shape)
    height, width = ink.strength.shape
    margin = 0.25 * max(height, width)
    rows = slice(max(0, int((ink.top - margin) * scale)), int((ink.top + height + margin) * scale))
    columns = slice(max(0, int((ink.left - margin) * scale)), int((ink.left + width + margin) * scale))
    return _shrink(work[rows, columns], KEPT_SIDE)


def prepare(sketch: np.ndarray) -> np.ndarray:
    """A sketch, (h, w) uint8, as MNIST would hold it: (28, 28) float32, ink 1 on paper 0. Raises BlankImage."""
    digit = find_ink(sketch).strength
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


def _decode(picture: Image.Image) -> Image.Image:
    """The first frame, upright; of a very large picture a fraction of its resolution, which is all that is needed."""
    try:
        picture.draft(None, (WORK_SIDE, WORK_SIDE))
        picture.load()
        if (factor := max(picture.size) // WORK_SIDE) > 1:  # everything after it takes less memory
            if picture.mode == "P":
                picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            if picture.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
                picture = picture.reduce((min(factor, picture.width), min(factor, picture.height)))
        ImageOps.exif_transpose(picture, in_place=True)
        return picture
    except Exception as e:  # as above
        raise MalformedImage from e


def _to_grey(image: Image.Image) -> np.ndarray:
    """(h, w) uint8, of any mode: the channel in which ink and paper differ most, transparency filled with contrast."""
    if image.mode == "L":
        return np.asarray(image)
    if image.mode.startswith(("I", "F")):  # 16 bits and more
        deep = np.asarray(image).astype(np.float32)
        deep -= deep.min()
        return (deep * (255 / max(deep.max(), 1024))).astype(np.uint8)
    if image.has_transparency_data:
        return _fill_transparency(np.asarray(image.convert("RGBA")))
    if image.mode in ("1", "P", "LA"):
        return np.asarray(image.convert("RGB").convert("L") if image.mode == "P" else image.convert("L"))
    return _strongest_channel(np.asarray(image.convert("RGB")))


def _strongest_channel(colour: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 → (h, w) uint8: luminance, unless ink of that colour hardly shows in it (yellow on white)."""
    luminance = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    spread = cv2.meanStdDev(colour)[1].ravel()
    if cv2.meanStdDev(luminance)[1].item() > spread.max() / 2:
        return luminance
    return np.ascontiguousarray(colour[..., spread.argmax()])


def _fill_transparency(colour: np.ndarray) -> np.ndarray:
    """(h, w, 4) uint8 → (h, w) uint8: what is visible, on white or black, whichever it stands out from."""
    alpha = colour[..., 3]
    grey = _strongest_channel(np.ascontiguousarray(colour[..., :3]))
    if alpha.min() == 255:  # as a browser's canvas sends it
        return grey
    visible = alpha > 127
    if not visible.any():
        return np.zeros_like(alpha)
    level = int(np.median(grey[visible]))
    # mostly visible: a sheet with transparent margins, which take its colour
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
    row = (small.sum(1) * np.arange(height)).sum() / mass
    column = (small.sum(0) * np.arange(width)).sum() / mass
    top = min(max(round(SIDE / 2 - row), 0), SIDE - height)
    left = min(max(round(SIDE / 2 - column), 0), SIDE - width)
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[top : top + height, left : left + width] = small
    return canvas
