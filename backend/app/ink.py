"""Finding the ink on a sketch: which of two greys is paper, how dark is full ink, what is dirt."""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from app import photo
from app.errors import BlankImage
from app.sheet import find_sheet

MIN_CONTRAST = 20  # grey levels between ink and paper; less is a blank sheet
EVEN = 0.3  # of a drawing's pixels, at least, have the same grey
LITTLE_INK = 0.7  # of its pixels with the same grey: the rest is ink, not a sheet
SMALL = 100**2  # pixels; in smaller sketches many pixels are the edges of ink
FLAT = 6  # grey levels by which even paper may vary, either way
HAZE = 0.08  # of full ink; paler is compression noise
SOLID = 0.4  # of full ink; paler pixels do not count for the digit's extent
SPECK = 0.02  # of all ink; smaller pieces are dirt
EDGE = 0.3  # of a side; a piece that touches more of the border is not the digit, if there is another

# a sketch is too little work for several threads
cv2.setNumThreads(0)

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
LEVELS = np.arange(256.0)
AROUND = np.ones(2 * FLAT + 1)


class Ink(NamedTuple):
    """The part of a sketch that holds its digit."""

    strength: np.ndarray  # (height, width) float32 from 0 (paper) to 1 (full ink), without a margin
    top: int  # its position in the sketch, pixels
    left: int


class Box(NamedTuple):
    """A part of a sketch, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, sketch: np.ndarray) -> np.ndarray:
        return sketch[self.top : self.top + self.height, self.left : self.left + self.width]

    def part(self, inner: "Box") -> "Box":
        """Where `inner`, a part of what was cut, lies in the sketch."""
        return Box(self.left + inner.left, self.top + inner.top, inner.width, inner.height)


class Tones(NamedTuple):
    """Which greys a sketch has."""

    counts: np.ndarray  # (256,) float64: the pixels of each
    border_level: int  # the commonest on the border
    border_share: float  # of the border's pixels, those with about that grey
    extent: Box  # around it, everything has the grey of the sketch's corner


def count_tones(sketch: np.ndarray) -> Tones:
    """(h, w) uint8."""
    extent = _extent(sketch)
    return Tones(_histogram(sketch, extent), *_border_tone(sketch, extent), extent)


def _border_tone(sketch: np.ndarray, extent: Box) -> tuple[int, float]:
    """As `_commonest`, for the pixels on the border."""
    height, width = sketch.shape
    if 0 < extent.left < width - extent.width and 0 < extent.top < height - extent.height:
        return int(sketch[0, 0]), 1.0
    border = np.concatenate([sketch[0], sketch[-1], sketch[:, 0], sketch[:, -1]])[None]
    return _commonest(_histogram(border, _extent(border)))


def is_drawn(sketch: np.ndarray, tones: Tones) -> bool:
    """(h, w) uint8: whether its paper has a single grey, which the paper of a photo never has."""
    commonest = tones.counts.max()
    if commonest == sketch.size:
        return True
    # an overexposed sheet is all white too, but the table around it is not
    if commonest < EVEN * sketch.size or tones.border_share <= 0.5:
        return False
    if commonest >= LITTLE_INK * sketch.size:
        return True
    paper = int(tones.counts.argmax())
    ink = np.delete(tones.counts, np.s_[max(0, paper - FLAT) : paper + FLAT + 1])
    return sketch.size < SMALL or _commonest(ink)[1] > 0.5 or not _is_table(sketch, paper)


def _is_table(sketch: np.ndarray, paper: int) -> bool:
    """Whether the apparent paper is a table of a single grey with a sheet on it: a convex area with little writing."""
    sheet = find_sheet(sketch)
    if sheet.all():
        return False
    difference = np.abs(sketch[sheet > 0].astype(int) - paper)
    return bool((difference > np.median(difference) / 2).mean() > 0.8)


def find_ink(sketch: np.ndarray, tones: Tones | None = None) -> Ink:
    """The digit of a sketch, (h, w) uint8, dark on light or light on dark, without specks. Raises BlankImage.

    `tones`: of a sketch that is known to be drawn, so that they are not counted again.
    """
    if tones is None:
        tones = count_tones(sketch)
        if not is_drawn(sketch, tones):
            sketch = photo.whiten(sketch)
            tones = count_tones(sketch)
    greys, paper = tones.counts, _paper(tones)
    is_lighter = bool(greys @ _signed_squares(paper) > 0)
    counts = _shifted(greys, paper, is_lighter)
    full = _full_ink(counts, _otsu(counts))
    if full < MIN_CONTRAST:
        raise BlankImage
    strength_of = _strengths(paper, is_lighter, full)
    mask, box = _digit_mask(sketch, strength_of > SOLID, tones.extent)
    return Ink(cv2.copyTo(cv2.LUT(box.cut(sketch), strength_of), mask), box.top, box.left)


@lru_cache
def _signed_squares(paper: int) -> np.ndarray:
    """(256,) by grey: ink differs from paper strongly in one direction, noise a little in both."""
    distance = LEVELS - paper
    squares: np.ndarray = distance * np.abs(distance)
    return squares


@lru_cache
def _strengths(paper: int, is_lighter: bool, full: int) -> np.ndarray:
    """(256,) float32 by grey, from 0 (paper) to 1 (full ink)."""
    difference = np.maximum(LEVELS - paper if is_lighter else paper - LEVELS, 0)
    strengths: np.ndarray = np.clip((difference / (0.95 * full) - HAZE) / (1 - HAZE), 0, 1)
    return strengths.astype(np.float32)


def _solid(sketch: np.ndarray, is_solid: np.ndarray) -> np.ndarray:
    """(h, w) uint8, 1 where ink is solid. `is_solid`, (256,) bool by grey: true above or below some threshold."""
    if is_solid[255]:
        return cv2.threshold(sketch, int(is_solid.argmax()) - 1, 1, cv2.THRESH_BINARY)[1]
    return cv2.threshold(sketch, int(is_solid.sum()) - 1, 1, cv2.THRESH_BINARY_INV)[1]


def _paper(tones: Tones) -> int:
    """The grey of the paper."""
    level = int(tones.counts.argmax())
    # what more than half of the pixels have is the commonest, whatever greys are around it
    if tones.counts[level] <= tones.counts.sum() / 2:
        level, _ = _commonest(tones.counts)
    # bold ink may cover more than paper does, but rarely the border as well
    bold = tones.border_share > 0.7 and abs(tones.border_level - level) > MIN_CONTRAST
    return tones.border_level if bold else level


def _extent(grey: np.ndarray) -> Box:
    """Of the pixels that differ from the corner; empty if none do."""
    return Box(*cv2.boundingRect((grey != grey[0, 0]).view(np.uint8)))


def _histogram(grey: np.ndarray, extent: Box) -> np.ndarray:
    """(256,) float64: pixels of each grey level.

    Counting takes longest here, so it skips what is around the extent.
    """
    inside = extent.cut(grey)
    counts = cv2.calcHist([inside], [0], None, [256], [0, 256]).ravel().astype(float) if inside.size else np.zeros(256)
    counts[grey[0, 0]] += grey.size - inside.size
    return counts


def _shifted(counts: np.ndarray, level: int, lighter: bool) -> np.ndarray:
    """The histogram, (256,) float64, of how much lighter (or darker) than `level` the pixels are."""
    shifted = np.zeros(256)
    above, rest = (counts[level:], counts[:level]) if lighter else (counts[level::-1], counts[level + 1 :])
    shifted[: len(above)] = above
    shifted[0] += rest.sum()
    return shifted


def _commonest(counts: np.ndarray) -> tuple[int, float]:
    """(the commonest grey level, the share of pixels with about that grey)."""
    around = np.convolve(counts, AROUND, "same")
    best = int(around.argmax())
    low = max(0, best - FLAT)
    level = low + int(counts[low : best + FLAT + 1].argmax())  # the window's peak, not its middle
    return level, float(around[best] / counts.sum())


def _otsu(counts: np.ndarray) -> int:
    """The level that splits a histogram into two classes with the least variance within (Otsu, 1979)."""
    below, mass = np.cumsum(counts), np.cumsum(counts * LEVELS)
    between = (mass[-1] * below - mass * below[-1]) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return int(between.argmax())


def _full_ink(counts: np.ndarray, threshold: int) -> int:
    """The strength of full ink: the 90th percentile of pixels above the threshold; 0 if there are none."""
    above = np.cumsum(counts[threshold + 1 :])
    return threshold + 1 + int(np.searchsorted(above, 0.9 * above[-1])) if len(above) and above[-1] else 0


def _digit_mask(sketch: np.ndarray, is_solid: np.ndarray, extent: Box) -> tuple[np.ndarray, Box]:
    """(uint8, 1 on and just around the digit; its place in the sketch). `is_solid`: as for `_solid`.

    Left out: specks, and pieces along the border (a table's edge, a shadow) if there are others.
    Raises BlankImage.
    """
    searched = Box(0, 0, *sketch.shape[::-1]) if is_solid[sketch[0, 0]] else extent
    solid = _solid(searched.cut(sketch), is_solid)
    inked = Box(*cv2.boundingRect(solid))
    if not inked.width:
        raise BlankImage
    solid, box = inked.cut(solid), searched.part(inked)
    if cv2.connectedComponents(solid, connectivity=8, ltype=cv2.CV_16U)[0] == 2:
        # paper and one piece of ink, as in most sketches
        return cv2.dilate(solid, CROSS), box
    count, label_of, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8, ltype=cv2.CV_16U)
    area = stats[:, cv2.CC_STAT_AREA].astype(float)
    area[0] = 0  # the paper
    inside = area * ~_runs_along_border(label_of, count, sketch.shape, box)
    if inside.max() > 0.001 * sketch.size:
        area = inside
    keep = area > SPECK * area.sum()
    if not keep.any():  # only specks
        raise BlankImage
    kept = keep[label_of].view(np.uint8)
    digit = Box(*cv2.boundingRect(kept))
    return cv2.dilate(digit.cut(kept), CROSS), box.part(digit)


def _runs_along_border(label_of: np.ndarray, count: int, shape: tuple[int, ...], box: Box) -> np.ndarray:
    """(count,) bool: which components lie on more than EDGE of a side of the sketch, whose `shape` this is."""
    along = np.zeros(count, bool)
    sides = [
        (box.top == 0, label_of[0], shape[1]),
        (box.top + box.height == shape[0], label_of[-1], shape[1]),
        (box.left == 0, label_of[:, 0], shape[0]),
        (box.left + box.width == shape[1], label_of[:, -1], shape[0]),
    ]
    for touched, labels, length in sides:
        if touched:
            along |= np.bincount(labels, minlength=count) > EDGE * length
    return along
