"""Finding the digit on a photo, without the light, the sheet's edges, printed lines, fingers and the table."""

from typing import NamedTuple

import cv2
import numpy as np

from app.errors import BlankImage
from app.sheet import find_sheet

SIDE = 280  # pixels; the longer side of a photo while it is searched
NARROWEST = 12  # pixels
WIDEST = 0.14  # of the longer side: no pen is wider
FAINTEST = 0.07  # of the light: ink absorbs at least this share
SMALLEST = 0.02  # of the longer side: anything smaller is not a digit
PALE = 0.35  # of full ink; anything paler is the paper's texture
BLOB = 0.25  # of a piece's size: no digit's strokes have a larger half width
FULL = 0.55  # of its box: no digit covers more
SAME_PEN = 2.5  # ratio of widths, at most, of strokes by the same pen
ANOTHER = 0.3  # of a digit's ink; a piece with more is another digit of the same number
FAR = 1.0  # of a digit's size: how far apart the digits of a number may be
TOGETHER = 0.2  # of a digit's size: how far apart its strokes may be


class Digit(NamedTuple):
    """Where the digit of a photo lies, and how dark its ink is."""

    mask: np.ndarray  # (h, w) uint8, 1 on the digit and just around it
    box: tuple[int, int, int, int]  # left, top, width, height
    full: float  # the share of light that full ink absorbs


def whiten(photo: np.ndarray) -> np.ndarray:
    """A photo, (h, w) uint8 → its digit as dark ink on even white, in the same place, and nothing else: (h, w) uint8.

    Raises BlankImage.
    """
    scale = min(1.0, SIDE / max(photo.shape))
    if scale * min(photo.shape) < NARROWEST:
        raise BlankImage
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else photo
    if _is_light_on_dark(small):
        photo, small = 255 - photo, 255 - small
    digit = find_digit(small)
    left, top, width, height = digit.box
    scale = small.shape[1] / photo.shape[1]
    rows = slice(int(top / scale), int((top + height) / scale) + 1)
    columns = slice(int(left / scale), int((left + width) / scale) + 1)
    # the brightness of the paper changes slowly: the small photo's is good enough
    paper = cv2.resize(_paper(_calm(small)), photo.shape[::-1], interpolation=cv2.INTER_LINEAR)[rows, columns]
    taken = _taken(_calm(photo[rows, columns], max(photo.shape)), paper)
    mask = cv2.resize(digit.mask, photo.shape[::-1], interpolation=cv2.INTER_LINEAR)[rows, columns]
    white = np.full_like(photo, 255)
    strength = np.clip((taken / (0.95 * digit.full) - PALE) / (1 - PALE), 0, 1) * mask
    white[rows, columns] = 255 - np.round(255 * strength).astype(np.uint8)
    return white


def light_taken(photo: np.ndarray) -> np.ndarray:
    """(h, w) uint8 → (h, w) float32: the share of light that ink absorbs, relative to the paper around it."""
    calm = _calm(photo)
    return _taken(calm, _paper(calm))


def _calm(photo: np.ndarray, side: int = 0) -> np.ndarray:
    """Removes the sensor's noise. `side`: the longer side of the whole photo, if this is a part."""
    return cv2.GaussianBlur(cv2.medianBlur(photo, 3), (0, 0), max(0.6, (side or max(photo.shape)) / 900))


def _paper(calm: np.ndarray) -> np.ndarray:
    """The paper without ink: a morphological closing, since strokes are narrow."""
    wide = int(WIDEST * max(calm.shape)) | 1
    return cv2.morphologyEx(calm, cv2.MORPH_CLOSE, np.ones((wide, wide), np.uint8))


def _taken(calm: np.ndarray, paper: np.ndarray) -> np.ndarray:
    return 1 - (calm.astype(np.float32) + 1) / (paper.astype(np.float32) + 1)


def _is_light_on_dark(small: np.ndarray) -> bool:
    """Whether it is chalk on a board: mostly dark, with thin light strokes that stand out more than dark ones."""
    darkest, middle, lightest = np.quantile(small[::2, ::2], [0.005, 0.5, 0.995])
    if lightest - middle < 2 * (middle - darkest) or not find_sheet(small).all():
        return False
    tiny = cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    dark, light = (_without_border(light_taken(each), np.ones_like(tiny)) for each in (tiny, 255 - tiny))
    return bool(np.quantile(light, 0.998) > np.quantile(dark, 0.998))


def find_digit(small: np.ndarray) -> Digit:
    """The digit on a photo, (h, w) uint8, in dark ink. Raises BlankImage."""
    taken = light_taken(small)
    sheet = find_sheet(small)
    inner = _without_border(taken, np.ones_like(sheet))
    if not sheet.all() and _holds_digit(sheet, inner):
        taken, inner = np.where(sheet > 0, taken, 0).astype(np.float32), _without_border(taken, sheet)
    else:
        sheet = np.ones_like(sheet)
    paper = np.sort(inner[sheet > 0])
    texture = float(np.sqrt(np.mean(np.square(paper[: 1 + int(0.6 * len(paper))]))))
    # a digit that fills the picture may touch its border, where vignetting absorbs some light too
    for candidate, faintest in (inner, FAINTEST), (taken, 2 * FAINTEST):
        digit = _strongest(candidate, sheet)
        if digit and digit.full > max(faintest, 6 * texture) and max(digit.box[2:]) > SMALLEST * max(small.shape):
            return digit
    raise BlankImage


def _holds_digit(sheet: np.ndarray, inner: np.ndarray) -> bool:
    """Whether the camera was pointed at this sheet, or the strongest ink is on it."""
    strongest = cv2.minMaxLoc(cv2.GaussianBlur(inner, (0, 0), 3))[3]
    height, width = sheet.shape
    middle = sheet[height * 2 // 5 : height * 3 // 5, width * 2 // 5 : width * 3 // 5]
    return bool(sheet[strongest[::-1]]) or bool(middle.mean() > 0.7)


def _without_border(taken: np.ndarray, sheet: np.ndarray) -> np.ndarray:
    """(h, w) float32: how much more light is absorbed than along the best path from the border or the sheet's edge.

    This removes the table, fingers, and printed lines, except for ink on them (reconstruction; Vincent, 1993).
    """
    levels = np.where(sheet > 0, np.clip(taken * 255, 0, 255), 0).astype(np.uint8)
    inside = cv2.erode(sheet, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    reached: np.ndarray = np.where(inside > 0, 0, levels).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    for _ in range(24):  # far enough for a line across the photo
        before = reached
        for _ in range(16):
            reached = cv2.min(cv2.dilate(reached, kernel), levels)
        if np.array_equal(before, reached):
            break
    return cv2.subtract(levels, reached).astype(np.float32) / 255


def _strongest(taken: np.ndarray, sheet: np.ndarray) -> Digit | None:
    """The piece with the most ink, and what belongs to it."""
    threshold = cv2.threshold(np.round(255 * taken[sheet > 0]).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)[0]
    solid = (255 * taken > threshold).view(np.uint8)
    count, label_of, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count < 2:
        return None
    mass = np.bincount(label_of.ravel(), taken.ravel(), count)
    mass[0] = 0
    chosen = _together(mass, _half_widths(solid, label_of, count), stats, taken.shape)
    mask = chosen[label_of].view(np.uint8)
    full = float(np.quantile(taken[mask > 0], 0.8))
    mask = cv2.dilate(mask, np.ones((5, 5), np.uint8))
    left, top, width, height = cv2.boundingRect(mask)
    return Digit(mask, (left, top, width, height), full)


def _half_widths(solid: np.ndarray, label_of: np.ndarray, count: int) -> np.ndarray:
    """(count,) pixels: half the width of each piece's widest stroke."""
    filled = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    deep = np.where(solid > 0, cv2.distanceTransform(filled, cv2.DIST_L2, 3), 0)
    widths = np.zeros(count)
    np.maximum.at(widths, label_of[deep > 0], deep[deep > 0])
    return widths


def _together(mass: np.ndarray, half_widths: np.ndarray, stats: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(count,) bool: the piece that is most likely a digit's stroke, and those close to it by the same pen."""
    corners = np.stack([stats[:, :2], stats[:, :2] + stats[:, 2:4]]).astype(float)  # first and last, (2, count, 2)
    size = np.array(shape[::-1])
    inside = (corners[0] > 1).all(1) & (corners[1] < size - 1).all(1)
    off_centre = np.linalg.norm((corners.mean(0) / size - 0.5) * 2, axis=1)
    extent = stats[:, 2:4].astype(float)
    round_ = (stats[:, 4] > FULL * extent.prod(1)) & (extent.min(1) > 0.5 * extent.max(1))
    blob = round_ | (half_widths > BLOB * extent.max(1))
    score = mass * (1 - 0.6 * np.minimum(off_centre, 1)) * np.where(blob, 0.05, 1)
    best = np.where(inside, score, 0)
    if best.max() < 0.15 * score.max():  # a digit that fills the picture may touch its border
        best = score
    first = int(best.argmax())
    chosen: np.ndarray = np.arange(len(mass)) == first
    alike = np.abs(np.log(np.maximum(half_widths, 0.5) / half_widths[first])) < np.log(SAME_PEN)
    allowed = (mass > 0.03 * mass[first]) & alike & (inside | ~inside[first])
    while True:
        low, high = corners[0][chosen].min(0), corners[1][chosen].max(0)
        apart = np.maximum(0, np.maximum(low - corners[1], corners[0] - high)).max(1) / (high - low).max()
        grown = chosen | (allowed & (apart < np.where(mass > ANOTHER * mass[first], FAR, TOGETHER)))
        if (grown == chosen).all():
            return chosen
        chosen = grown
