"""A hand and a pen: skeletons, and strokes that somebody wrote, become sketches. Knows nothing of torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from training.skeletons import Skeleton, Stroke

CANVAS = 160  # pixels; the pen is measured against it
SHIFT = 4  # cv2 draws to a 16th of a pixel


@dataclass(frozen=True)
class Hand:
    """How much one writer differs from another, and one stroke from the next."""

    wobble: float = 0.035  # of the box: how far each point strays
    lean: float = 0.08  # mean of the shear: to the right
    slant: float = 0.2  # its standard deviation
    turn: float = 7.0  # degrees, standard deviation
    narrow: float = 0.45  # the narrowest digit's width against its height
    wide: float = 1.15
    drift: float = 0.05  # of the box: how far a later stroke is off its place
    pen: tuple[float, float] = (0.025, 0.13)  # width against the canvas
    size: tuple[float, float] = (0.45, 0.85)  # of the canvas
    tremor: float = 0.0  # of the box: how far the pen shakes
    haste: float = 0.0  # of a stroke: over how much of it corners are rounded
    jump: int = 1  # of a curve's points every how many-th is met; straight lines between them, as a mouse leaves them


HAND = Hand()
HANDS = [  # of those who write, and how often
    (HAND, 0.66),
    (Hand(lean=-0.2), 0.1),  # the left one, or a leaning back
    (Hand(wobble=0.055, drift=0.09, turn=10), 0.08),  # a child
    (Hand(tremor=0.012), 0.06),  # shaking
    (Hand(haste=0.16), 0.05),
    (Hand(jump=5, tremor=0.006, wobble=0.045), 0.05),  # with a mouse
]
# what is bent is real already: less of everything, and its own width
REAL = Hand(wobble=0.03, lean=0.0, slant=0.16, turn=6.0, narrow=0.65, wide=1.4, drift=0.03)
REALS = [
    (REAL, 0.7),
    (replace(REAL, lean=-0.25), 0.07),
    (replace(REAL, wobble=0.05, drift=0.06), 0.08),
    (replace(REAL, tremor=0.012), 0.05),
    (replace(REAL, haste=0.12), 0.05),
    (replace(REAL, jump=5, tremor=0.005), 0.05),
]


def write(skeleton: Skeleton, rng: np.random.Generator, hand: Hand) -> list[np.ndarray]:
    """Strokes as curves, (points, 2), as this hand would write the skeleton."""
    wobble = hand.wobble * rng.uniform(0.2, 1.4)
    return _bend([smooth(_stray(stroke, rng, wobble)) for stroke in skeleton], rng, hand)


def rewrite(strokes: Sequence[np.ndarray], rng: np.random.Generator, hand: Hand) -> list[np.ndarray]:
    """Strokes that somebody wrote, each (points, 2), as curves of this hand."""
    every = np.concatenate(strokes)
    low, high = every.min(0), every.max(0)
    extent = max((high - low).max(), 1e-6)
    wobble = hand.wobble * rng.uniform(0.2, 1.4)
    unit = [_resample((stroke - (low + high) / 2) / extent + 0.5) for stroke in strokes]
    return _bend([curve + _wander(len(curve), wobble, rng) for curve in unit], rng, hand)


def _bend(curves: list[np.ndarray], rng: np.random.Generator, hand: Hand) -> list[np.ndarray]:
    """What a hand does to all strokes alike, and to where each of them begins."""
    slant = rng.normal(hand.lean, hand.slant)
    angle = np.radians(rng.normal(0, hand.turn))
    width = np.exp(rng.uniform(np.log(hand.narrow), np.log(hand.wide)))
    lean = np.array([[width, -slant], [0, 1]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    bend = rng.normal(0, 0.06, (2, 3))  # a curvature that all strokes share
    bent = []
    for number, curve in enumerate(curves):
        curve = _move(curve, rng, hand)
        if number:
            curve = curve + rng.normal(0, hand.drift * rng.uniform(0, 1), 2)
        x, y = curve[:, 0] - 0.5, curve[:, 1] - 0.5
        bent.append((curve + np.stack([x * x, x * y, y * y], 1) @ bend.T) @ (turn @ lean).T)
    return bent


def _move(curve: np.ndarray, rng: np.random.Generator, hand: Hand) -> np.ndarray:
    """The curve with the hand's tremor, haste and jumps."""
    if hand.haste and len(curve) > 8:
        half = int(len(curve) * hand.haste * rng.uniform(0.2, 1) / 2)
        padded = np.pad(curve, ((half, half), (0, 0)), "edge")
        curve = np.stack(
            [np.convolve(axis, np.full(2 * half + 1, 1 / (2 * half + 1)), "valid") for axis in padded.T], 1
        )
    if hand.jump > 1:
        curve = np.concatenate([curve[: -1 : hand.jump], curve[-1:]])
    if hand.tremor:
        curve = curve + _wander(len(curve), hand.tremor * rng.uniform(0.3, 1), rng, every=3)
    return curve


def _wander(count: int, by: float, rng: np.random.Generator, every: int = 10) -> np.ndarray:
    """(count, 2): how far each point strays; the same way as its neighbours, up to about `every` points away."""
    knots = rng.normal(0, by, (max(2, count // every + 1), 2))
    at = np.linspace(0, len(knots) - 1, count)
    return np.stack([np.interp(at, np.arange(len(knots)), axis) for axis in knots.T], 1)


def _resample(stroke: np.ndarray, step: float = 0.03) -> np.ndarray:
    """(n, 2) → (m, 2): the same line, its points about `step` apart."""
    along = np.concatenate([[0], np.hypot(*np.diff(stroke, axis=0).T).cumsum()])
    at = np.linspace(0, along[-1], max(2, round(along[-1] / step) + 1))
    return np.stack([np.interp(at, along, axis) for axis in stroke.T], 1)


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
