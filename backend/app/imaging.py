"""Any image → 28×28, prepared as MNIST was.

MNIST's own preparation (LeCun et al., "Gradient-based learning applied to document recognition", 1998): the
digit fitted into 20×20 with its aspect ratio kept, anti-aliased, placed in 28×28 by its centre of mass.

    read      bytes → sketch     any picture file → greyscale, at most 280×280; what the database keeps
    prepare   sketch → 28×28     white ink on black; what the model sees

`read` leaves a greyscale picture of at most 280×280 as it is, so a stored sketch read again gives the same answer.
"""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from app.errors import BlankImage, ImageTooLarge, MalformedImage, NotAnImage

SIDE = 28  # of what the model sees
BOX = 20  # the digit's longer side in it
KEPT_SIDE = 280  # the longer side of a kept sketch, at most
WORK_SIDE = 4 * KEPT_SIDE  # large pictures are searched for ink at this size
MAX_PIXELS = 40_000_000

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # the JPEG plug-in reads the MPO of phones as well
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")  # a file that starts so and is not understood is damaged

MIN_CONTRAST = 20  # grey levels between ink and paper; less is a blank sheet
FLAT = 6  # grey levels that even paper may vary by, either way
HAZE = 0.08  # of full ink; paler is compression noise
TEXTURE = 0.3  # of full ink, on uneven paper; paler is its texture
SOLID = 0.4  # of full ink; what is paler does not count for the digit's extent
SPECK = 0.02  # of all ink; smaller blots are dirt
EDGE = 0.3  # of a side; what touches the border along more than this is no digit where there is another

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))

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


def to_sketch(picture: Image.Image) -> np.ndarray:
    """As `read`, of an opened picture; of a large one, the part that holds ink. Raises MalformedImage, BlankImage."""
    grey = _to_grey(_decode(picture))
    if max(grey.shape) <= KEPT_SIDE:
        return grey
    work, overview = _shrink(grey, WORK_SIDE), _shrink(grey, KEPT_SIDE)
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


class Ink(NamedTuple):
    """The part of a sketch that holds its digit."""

    strength: np.ndarray  # (height, width) float32 from 0 (paper) to 1 (full ink), without a margin
    top: int  # where it lies in the sketch, pixels
    left: int


def find_ink(sketch: np.ndarray) -> Ink:
    """The digit of a sketch, (h, w) uint8, dark on light or light on dark, specks left out. Raises BlankImage."""
    paper, even = _paper(sketch)
    lighter, darker = cv2.subtract(sketch, paper), cv2.subtract(paper, sketch)
    # ink differs from paper strongly in one direction; noise differs a little in both
    difference = lighter if cv2.norm(lighter) > cv2.norm(darker) else darker
    counts = _histogram(difference)
    threshold = _otsu(counts)
    full = _full_ink(counts, threshold)
    if full < MIN_CONTRAST or (not even and full < 5 * _texture(counts, threshold)):
        raise BlankImage
    floor = HAZE if even else TEXTURE
    strength_of = np.clip((np.arange(256) / (0.95 * full) - floor) / (1 - floor), 0, 1).astype(np.float32)
    solid = (difference >= np.argmax(strength_of > SOLID)).view(np.uint8)
    mask, top, left = _digit_mask(solid)
    height, width = mask.shape
    return Ink(cv2.LUT(difference[top : top + height, left : left + width], strength_of) * mask, top, left)


def _decode(picture: Image.Image) -> Image.Image:
    """The first frame, upright; very large JPEGs at a fraction of their size, which is all that is needed."""
    try:
        picture.draft(None, (WORK_SIDE, WORK_SIDE))
        picture.load()
        return ImageOps.exif_transpose(picture)
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


def _paper(sketch: np.ndarray) -> tuple[np.ndarray, bool]:
    """((h, w) uint8, the sketch without its ink; whether the paper is one even grey)."""
    counts = _histogram(sketch)
    level, share = _commonest(counts)
    border = np.concatenate([sketch[0], sketch[-1], sketch[:, 0], sketch[:, -1]])
    if share > 0.5:
        border_level, border_share = _commonest(_histogram(border))
        # bold ink may well cover more than paper does, but seldom the border too
        bold = border_share > 0.7 and abs(border_level - level) > MIN_CONTRAST
        return np.full_like(sketch, border_level if bold else level), True
    # light falls unevenly: the median of a wide neighbourhood is paper, since strokes are narrower
    small = cv2.resize(sketch, (64, 64), interpolation=cv2.INTER_AREA)
    local = cv2.GaussianBlur(cv2.medianBlur(small, 31), (0, 0), 4)
    return cv2.resize(local, sketch.shape[::-1], interpolation=cv2.INTER_LINEAR), False


def _histogram(grey: np.ndarray) -> np.ndarray:
    """(256,) float64: pixels of each grey level."""
    return cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().astype(float)


def _commonest(counts: np.ndarray) -> tuple[int, float]:
    """(the commonest grey level, the share of pixels that are about as grey)."""
    around = np.convolve(counts, np.ones(2 * FLAT + 1), "same")
    best = np.flatnonzero(around == around.max())
    level = int(best[np.argmax(counts[best])])
    return level, float(around[level] / counts.sum())


def _otsu(counts: np.ndarray) -> int:
    """The level that splits a histogram into two classes with the least variance within (Otsu, 1979)."""
    below, mass = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    between = (mass[-1] * below - mass * below[-1]) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return int(between.argmax())


def _full_ink(counts: np.ndarray, threshold: int) -> int:
    """The strength of full ink: the 90th percentile of what is above the threshold; 0 where nothing is."""
    above = np.cumsum(counts[threshold + 1 :])
    return threshold + 1 + int(np.searchsorted(above, 0.9 * above[-1])) if len(above) and above[-1] else 0


def _texture(counts: np.ndarray, threshold: int) -> float:
    """How far ordinary paper strays, in grey levels: the root mean square of what is not above the threshold."""
    paper = counts[: threshold + 1]
    return float(np.sqrt((paper * np.arange(threshold + 1) ** 2).sum() / max(paper.sum(), 1)))


def _digit_mask(solid: np.ndarray) -> tuple[np.ndarray, int, int]:
    """(h, w) uint8, 1 where ink is solid → (1 on and just around the digit, cut to its extent; top, left).

    Left out: specks, and what runs along the border (a table's edge, a shadow) where there is something else.
    Raises BlankImage.
    """
    left, top, width, height = cv2.boundingRect(solid)
    if not width:
        raise BlankImage
    solid_part = solid[top : top + height, left : left + width]
    count, label_of, stats, _ = cv2.connectedComponentsWithStats(solid_part, connectivity=8, ltype=cv2.CV_16U)
    if count == 2:  # paper and one piece of ink, as most sketches are
        return cv2.dilate(solid_part, CROSS).astype(np.float32), top, left
    area = stats[:, cv2.CC_STAT_AREA].astype(float)
    area[0] = 0  # the paper
    inside = area * ~_runs_along_border(label_of, count, solid.shape, top, left)
    if inside.max() > 0.001 * solid.size:
        area = inside
    keep = area > SPECK * area.sum()
    kept = keep[label_of].view(np.uint8)
    x, y, width, height = cv2.boundingRect(kept)
    mask = cv2.dilate(kept[y : y + height, x : x + width], CROSS)
    return mask.astype(np.float32), top + y, left + x


def _runs_along_border(label_of: np.ndarray, count: int, shape: tuple[int, ...], top: int, left: int) -> np.ndarray:
    """(count,) bool: which components lie on more than EDGE of a side of the sketch."""
    height, width = label_of.shape
    along = np.zeros(count, bool)
    sides = [(top == 0, label_of[0], shape[1]), (top + height == shape[0], label_of[-1], shape[1]),
             (left == 0, label_of[:, 0], shape[0]), (left + width == shape[1], label_of[:, -1], shape[0])]  # fmt: skip
    for touched, labels, length in sides:
        if touched:
            along |= np.bincount(labels, minlength=count) > EDGE * length
    return along


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
