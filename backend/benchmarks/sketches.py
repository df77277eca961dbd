"""Sketches as they grow, made before the visitors come, so that making them costs nothing while they are there."""

import io
import random
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tests.drawings import STROKES

SIDE = 280  # pixels, as the page sends
STROKES_EACH, READINGS_EACH = 4, 4  # strokes of a drawing; readings while one is drawn
PARTS = STROKES_EACH * READINGS_EACH


class Sketch(NamedTuple):
    digit: int
    parts: list[bytes]  # PNGs with ever more ink

    @property
    def whole(self) -> bytes:
        return self.parts[-1]


def make(number: int, mode: str, seed: int) -> list[Sketch]:
    """All different. `mode`: RGBA, opaque, is what a browser's canvas becomes; L is grey."""
    dice = random.Random(seed)
    return [_sketch(n % 10, mode, dice) for n in range(number)]


def _sketch(digit: int, mode: str, dice: random.Random) -> Sketch:
    scale, slant = dice.uniform(110, 190), dice.uniform(-0.3, 0.3)
    left, top = dice.uniform(20, 80), dice.uniform(20, 80)
    pen = dice.randrange(12, 26)
    strokes = [np.array(stroke) @ [[1, 0], [-slant, 1]] * scale + (left + 30, top) for stroke in STROKES[digit]]
    points = [(stroke[i], stroke[i + 1]) for stroke in map(_dense, strokes) for i in range(len(stroke) - 1)]
    sheet = Image.new("L", (SIDE, SIDE))
    paint, parts, drawn = ImageDraw.Draw(sheet), [], 0
    for part in range(1, PARTS + 1):
        until = round(len(points) * part / PARTS)
        for start, end in points[drawn:until]:
            paint.line([*start, *end], fill=255, width=pen)
            paint.ellipse([*(end - pen / 2), *(end + pen / 2)], fill=255)
        drawn = until
        parts.append(_png(sheet.convert(mode)))
    return Sketch(digit, parts)


def _dense(stroke: np.ndarray) -> np.ndarray:
    """(n, 2): as many points as a pen would report."""
    known = np.arange(len(stroke))
    between = np.linspace(0, len(stroke) - 1, max(24, len(stroke)))
    return np.stack([np.interp(between, known, stroke[:, axis]) for axis in (0, 1)], axis=1)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
