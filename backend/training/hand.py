"""A hand and a pen: skeletons become sketches, and sketches what the model sees. Knows nothing of torch.

As a program (strokes.py starts it) it reads chunks as JSON and writes their pixels: `python -m training.hand`.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from app import imaging
from app.errors import BlankImage
from training import scribbles
from training.skeletons import STYLES, Skeleton, Stroke, Style

CANVAS = 160  # pixels; the pen is measured against it
SHIFT = 4  # cv2 draws to a 16th of a pixel


@dataclass(frozen=True)
class Hand:
    """How much one writer differs from another, and one stroke from the next."""

    wobble: float = 0.035  # of the box: how far each point strays
    slant: float = 0.3  # standard deviation of the shear, to the right more than to the left
    turn: float = 7.0  # degrees, standard deviation
    narrow: float = 0.45  # the narrowest digit's width against its height
    wide: float = 1.15
    drift: float = 0.05  # of the box: how far a later stroke is off its place
    pen: tuple[float, float] = (0.025, 0.13)  # width against the canvas
    size: tuple[float, float] = (0.45, 0.85)  # of the canvas


HAND = Hand()


def make_pictures(chunk: tuple[int, int, int, bool]) -> np.ndarray:
    """(count, seed, start, whether digits) → (count, 28, 28) uint8: the drawings from `start` on, always the same."""
    cv2.setNumThreads(1)
    count, seed, start, digits = chunk
    rng = np.random.default_rng([seed, start, digits])
    sketch_of = digit_sketch if digits else other_sketch
    images = [_prepare(sketch_of, (start + i) % 10, rng) for i in range(count)]
    return np.array(images, np.uint8).reshape(-1, imaging.SIDE, imaging.SIDE)


def _prepare(
    sketch_of: Callable[[int, np.random.Generator], np.ndarray], kind: int, rng: np.random.Generator
) -> np.ndarray:
    """(28, 28) uint8, white on black."""
    while True:
        try:
            return np.round(imaging.prepare(sketch_of(kind, rng)) * 255).astype(np.uint8)
        except BlankImage:  # a hairline of a pen, or a texture without any ink: another one
            continue


def digit_sketch(digit: int, rng: np.random.Generator, hand: Hand = HAND) -> np.ndarray:
    """A sketch of this digit in some style, (CANVAS, CANVAS) uint8, white on black."""
    return draw(write(_pick(STYLES[digit], rng)(rng), rng, hand), rng, hand)


def other_sketch(kind: int, rng: np.random.Generator, hand: Hand = HAND) -> np.ndarray:
    """A sketch of something else, (CANVAS, CANVAS) uint8, white on black; every tenth is a texture."""
    if kind == 0:
        return scribbles.texture(rng, CANVAS)
    return draw(write(_pick(scribbles.MAKERS, rng)(rng), rng, hand), rng, hand)


def _pick(weighted: list[tuple[Style, float]], rng: np.random.Generator) -> Style:
    weights = np.array([weight for _, weight in weighted])
    return weighted[rng.choice(len(weighted), p=weights / weights.sum())][0]


def write(skeleton: Skeleton, rng: np.random.Generator, hand: Hand) -> list[np.ndarray]:
    """Strokes as curves, (points, 2), as this hand would write the skeleton."""
    slant = rng.normal(0.08, hand.slant / 1.5)
    angle = np.radians(rng.normal(0, hand.turn))
    width = np.exp(rng.uniform(np.log(hand.narrow), np.log(hand.wide)))
    lean = np.array([[width, -slant], [0, 1]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wobble = hand.wobble * rng.uniform(0.2, 1.4)
    bend = rng.normal(0, 0.06, (2, 3))  # a curvature that all strokes share
    curves = []
    for number, stroke in enumerate(skeleton):
        points = _stray(stroke, rng, wobble)
        if number:
            points += rng.normal(0, hand.drift * rng.uniform(0, 1), 2)
        curve = smooth(points)
        x, y = curve[:, 0] - 0.5, curve[:, 1] - 0.5
        bent = curve + np.stack([x * x, x * y, y * y], 1) @ bend.T
        curves.append(bent @ (turn @ lean).T)
    return curves


def _stray(stroke: Stroke, rng: np.random.Generator, wobble: float) -> np.ndarray:
    """The points, each a little off, but a corner's two together."""
    points = np.array(stroke, dtype=float)
    off = rng.normal(0, wobble, points.shape)
    same = np.flatnonzero((points[1:] == points[:-1]).all(1))
    off[same + 1] = off[same]
    return points + off


def smooth(points: np.ndarray, steps: int = 8) -> np.ndarray:
    """(n, 2) → (m, 2): a Catmull-Rom curve through the points; a point given twice is a corner."""
    before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    p = np.concatenate([[before], points, [after]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        if (b == c).all():
            continue
        a = b if (a == b).all() else a
        d = c if (c == d).all() else d
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*pieces, points[-1:]])


def draw(curves: list[np.ndarray], rng: np.random.Generator, hand: Hand) -> np.ndarray:
    """A sketch, (CANVAS, CANVAS) uint8: white ink on black, a round pen."""
    every = np.concatenate(curves)
    low, high = every.min(0), every.max(0)
    size = CANVAS * rng.uniform(*hand.size)
    scale = size / max((high - low).max(), 1e-6)
    offset = (CANVAS - (high - low) * scale) / 2
    pen = max(1, round(CANVAS * np.exp(rng.uniform(*np.log(hand.pen))) * size / CANVAS / np.mean(hand.size)))
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    fixed = [np.round(((curve - low) * scale + offset) * 2**SHIFT).astype(np.int32) for curve in curves]
    cv2.polylines(canvas, fixed, isClosed=False, color=255, thickness=pen, lineType=cv2.LINE_AA, shift=SHIFT)
    return canvas


if __name__ == "__main__":
    for chunk in json.load(sys.stdin):
        sys.stdout.buffer.write(make_pictures(tuple(chunk)).tobytes())
