"""Finding the ink on a sketch: which of two greys is paper, how dark is full ink, what is dirt."""

from typing import NamedTuple

import cv2
import numpy as np

from app.errors import BlankImage

MIN_CONTRAST = 20  # grey levels between ink and paper; less is a blank sheet
FLAT = 6  # grey levels that even paper may vary by, either way
HAZE = 0.08  # of full ink; paler is compression noise
TEXTURE = 0.3  # of full ink, on uneven paper; paler is its texture
SOLID = 0.4  # of full ink; what is paler does not count for the digit's extent
SPECK = 0.02  # of all ink; smaller blots are dirt
EDGE = 0.3  # of a side; what touches the border along more than this is no digit where there is another

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


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
    best = int(around.argmax())
    low = max(0, best - FLAT)
    level = low + int(counts[low : best + FLAT + 1].argmax())  # the window's peak, not its middle
    return level, float(around[best] / counts.sum())


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
    if not keep.any():  # nothing but specks
        raise BlankImage
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
