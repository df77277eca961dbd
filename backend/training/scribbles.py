"""What people draw that is no digit: letters, signs, scribbles, several digits, textures.

The model learns to be unsure of them: outlier exposure (Hendrycks et al., 2019) teaches it to find all ten digits
equally likely there.
"""

from collections.abc import Callable

import cv2
import numpy as np

from training.skeletons import STYLES, Skeleton, arc, corner

Maker = Callable[[np.random.Generator], Skeleton]


def _lines(*strokes: list[tuple[float, float]]) -> Skeleton:
    """Straight strokes: every point a corner."""
    return [[p for x, y in stroke for p in corner(x, y)] for stroke in strokes]


# letters that nobody reads as a digit
LETTERS: dict[str, Skeleton] = {
    "A": _lines([(0, 1), (0.5, 0), (1, 1)], [(0.2, 0.65), (0.8, 0.65)]),
    "C": [arc(0.5, 0.5, 0.5, 0.5, -45, -315)],
    "E": _lines([(0.8, 0), (0, 0), (0, 1), (0.8, 1)], [(0, 0.5), (0.7, 0.5)]),
    "F": _lines([(0.8, 0), (0, 0), (0, 1)], [(0, 0.5), (0.7, 0.5)]),
    "H": _lines([(0, 0), (0, 1)], [(0.8, 0), (0.8, 1)], [(0, 0.5), (0.8, 0.5)]),
    "J": [[*corner(0.7, 0), (0.7, 0.7), (0.4, 1), (0, 0.8)]],
    "K": _lines([(0, 0), (0, 1)], [(0.8, 0), (0, 0.55), (0.8, 1)]),
    "L": _lines([(0, 0), (0, 1), (0.7, 1)]),
    "M": _lines([(0, 1), (0, 0), (0.5, 0.6), (1, 0), (1, 1)]),
    "N": _lines([(0, 1), (0, 0), (0.8, 1), (0.8, 0)]),
    "P": [[*corner(0, 1), *corner(0, 0), (0.5, 0), (0.75, 0.25), (0.5, 0.5), (0, 0.52)]],
    "R": [[*corner(0, 1), *corner(0, 0), (0.5, 0), (0.75, 0.25), (0.5, 0.5), *corner(0.1, 0.5), (0.8, 1)]],
    "T": _lines([(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]),
    "U": [[(0, 0), (0, 0.6), (0.4, 1), (0.8, 0.6), (0.8, 0)]],
    "V": _lines([(0, 0), (0.45, 1), (0.9, 0)]),
    "W": _lines([(0, 0), (0.3, 1), (0.6, 0.2), (0.9, 1), (1.2, 0)]),
    "X": _lines([(0, 0), (0.9, 1)], [(0.9, 0), (0, 1)]),
    "Y": _lines([(0, 0), (0.45, 0.5), (0.9, 0)], [(0.45, 0.5), (0.45, 1)]),
    "a": [[*arc(0.4, 0.6, 0.4, 0.4, -40, -330), *corner(0.82, 0.25), (0.8, 0.8), (1, 1)]],
    "d": [arc(0.4, 0.72, 0.38, 0.28, -30, -330), [(0.8, 0), (0.8, 0.8), (0.95, 1)]],
    "e": [[*corner(0.05, 0.55), (0.5, 0.5), (0.9, 0.4), (0.5, 0), (0, 0.5), (0.45, 1), (0.95, 0.8)]],
    "f": [[(0.8, 0.05), (0.5, 0), (0.35, 0.3), (0.35, 1)], [(0.05, 0.42), (0.7, 0.4)]],
    "h": [[*corner(0, 0), *corner(0, 1), (0.1, 0.6), (0.45, 0.45), (0.65, 0.65), (0.65, 1)]],
    "k": _lines([(0, 0), (0, 1)], [(0.6, 0.35), (0, 0.7), (0.65, 1)]),
    "m": [[*corner(0, 0.1), *corner(0, 1), (0.1, 0.3), (0.35, 0.1), *corner(0.5, 1), (0.6, 0.3), (0.85, 0.1), (1, 1)]],
    "n": [[*corner(0, 0.1), *corner(0, 1), (0.1, 0.4), (0.5, 0.1), (0.8, 0.4), (0.8, 1)]],
    "p": [[*corner(0, 0.2), *corner(0, 1.2)], [(0, 0.4), (0.4, 0.15), (0.8, 0.4), (0.4, 0.7), (0, 0.6)]],
    "r": [[*corner(0, 0.1), *corner(0, 1), (0.1, 0.5), (0.4, 0.12), (0.7, 0.2)]],
    "t": [[(0.4, 0), (0.4, 0.8), (0.6, 1), (0.85, 0.9)], [(0, 0.32), (0.8, 0.3)]],
    "u": [[(0, 0), (0.05, 0.7), (0.4, 1), *corner(0.8, 0.1), (0.8, 0.8), (1, 1)]],
    "w": [[(0, 0), (0.2, 0.9), (0.35, 0.9), (0.5, 0.2), (0.65, 0.9), (0.85, 0.9), (1, 0)]],
    "x": [[(0, 0), (0.4, 0.4), (0.9, 1)], [(0.9, 0), (0.4, 0.5), (0, 1)]],
}

SIGNS: list[Skeleton] = [
    _lines([(0, 0.5), (1, 0.5)], [(0.5, 0), (0.5, 1)]),  # plus
    _lines([(0, 0.5), (1, 0.5)]),  # minus
    _lines([(0, 0.35), (1, 0.35)], [(0, 0.65), (1, 0.65)]),  # equals
    _lines([(0, 0), (0.9, 0), (0.9, 0.9), (0, 0.9), (0, 0)]),  # square
    _lines([(0.5, 0), (1, 0.9), (0, 0.9), (0.5, 0)]),  # triangle
    _lines([(0, 0.6), (0.35, 1), (1, 0)]),  # tick
    _lines([(0, 0.5), (1, 0.5), (0.7, 0.2)], [(1, 0.5), (0.7, 0.8)]),  # arrow
    _lines([(0.2, 1), (0.5, 0), (0.8, 1), (0, 0.35), (1, 0.35), (0.2, 1)]),  # star
    _lines([(0.3, 0), (0.3, 1)], [(0.7, 0), (0.7, 1)], [(0, 0.35), (1, 0.35)], [(0, 0.65), (1, 0.65)]),  # hash
    [[*corner(0.5, 0.3), (0.2, 0), (0, 0.3), *corner(0.5, 1), (1, 0.3), (0.8, 0), *corner(0.5, 0.3)]],  # heart
    [[(0.1, 0.2), (0.5, 0), (0.85, 0.2), (0.5, 0.5), (0.5, 0.72)], [(0.5, 0.97), (0.5, 1)]],  # question mark
    [
        arc(0.5, 0.5, 0.5, 0.5, 0, 360),
        arc(0.5, 0.5, 0.28, 0.28, 20, 160),
        [(0.35, 0.3), (0.35, 0.35)],
        [(0.65, 0.3), (0.65, 0.35)],
    ],  # face
    [[(0, 0.6), (0.25, 0.35), (0.5, 0.55), (0.75, 0.7), (1, 0.4)]],  # tilde
]


def letter(rng: np.random.Generator) -> Skeleton:
    return LETTERS[rng.choice(list(LETTERS))]


def sign(rng: np.random.Generator) -> Skeleton:
    return SIGNS[rng.integers(len(SIGNS))]


def scribble(rng: np.random.Generator) -> Skeleton:
    """A pen that wanders about."""
    strokes = []
    for _ in range(rng.integers(1, 4)):
        steps = rng.normal(0, 0.45, (rng.integers(6, 26), 2))
        strokes.append([tuple(p) for p in np.clip(0.5 + np.cumsum(steps, 0) * 0.7, -0.1, 1.1)])
    return strokes


def hatching(rng: np.random.Generator) -> Skeleton:
    """To and fro, as people blacken an area or cross something out."""
    turns = rng.integers(5, 14)
    x = np.tile([0.0, 1.0], turns) + rng.normal(0, 0.06, 2 * turns)
    return [list(zip(x.tolist(), np.linspace(0, 1, 2 * turns).tolist(), strict=True))]


def spiral(rng: np.random.Generator) -> Skeleton:
    turns, points = rng.uniform(2, 4.5), 40
    radius, angle = np.linspace(0.03, 0.5, points), np.linspace(0, 2 * np.pi * turns, points)
    return [[(0.5 + r * float(np.cos(a)), 0.5 + r * float(np.sin(a))) for r, a in zip(radius, angle, strict=True)]]


def several_digits(rng: np.random.Generator) -> Skeleton:
    """Two to four digits side by side."""
    strokes: Skeleton = []
    for place in range(rng.integers(2, 5)):
        styles = [style for style, _ in STYLES[int(rng.integers(10))]]
        digit = styles[rng.integers(len(styles))](rng)
        width, gap = rng.uniform(0.5, 0.9), rng.uniform(0.9, 1.25)
        strokes += [[(x * width + place * gap, y) for x, y in stroke] for stroke in digit]
    return strokes


def lying_digit(rng: np.random.Generator) -> Skeleton:
    """A digit on its side that makes no other digit so."""
    styles = [style for style, _ in STYLES[int(rng.choice([2, 3, 4, 5, 8]))]]
    side = rng.choice([-1, 1])
    return [[(0.5 + side * (y - 0.5), 0.5 - side * (x - 0.5)) for x, y in stroke] for stroke in styles[0](rng)]


# what is drawn, and how often
MAKERS: list[tuple[Maker, float]] = [
    (letter, 0.45),
    (sign, 0.12),
    (scribble, 0.16),
    (hatching, 0.04),
    (spiral, 0.03),
    (several_digits, 0.14),
    (lying_digit, 0.06),
]


def texture(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) uint8: blobs and streaks, such as photos of something else leave behind."""
    rough = rng.normal(size=(side, side)).astype(np.float32)
    blurred = cv2.GaussianBlur(rough, (0, 0), rng.uniform(2, 16), sigmaY=rng.uniform(2, 16))
    level = np.quantile(blurred, rng.uniform(0.4, 0.9))
    return np.where(blurred > level, 255, 0).astype(np.uint8)
