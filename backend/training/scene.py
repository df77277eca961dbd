"""What lies in front of a camera: a table, a sheet of paper, a digit written on it, as reflectances from 0 to 1.

A `Plane` holds (h, w, 3) float32 pixels, RGB; lengths are in millimetres, around the digit's middle.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from training.drawings import pick
from training.hand import SHIFT, Hand, write
from training.skeletons import STYLES

WRITER = Hand(wobble=0.025, slant=0.22, turn=5)

TABLES = {
    "grey": [(0.18, 0.18, 0.19), (0.3, 0.3, 0.3), (0.42, 0.43, 0.45), (0.1, 0.1, 0.11)],
    "wood": [(0.42, 0.25, 0.12), (0.55, 0.38, 0.2), (0.2, 0.1, 0.05), (0.62, 0.48, 0.3)],
    "light": [(0.62, 0.6, 0.56), (0.55, 0.57, 0.6), (0.66, 0.63, 0.52)],
    "cloth": [(0.35, 0.08, 0.08), (0.1, 0.16, 0.35), (0.3, 0.34, 0.3)],
}
PAPERS = {
    "white": [(0.85, 0.85, 0.85), (0.8, 0.81, 0.83), (0.78, 0.77, 0.74)],
    "coloured": [(0.85, 0.75, 0.3), (0.85, 0.5, 0.55), (0.5, 0.7, 0.85), (0.55, 0.8, 0.5), (0.5, 0.42, 0.3)],
    "board": [(0.03, 0.06, 0.045), (0.03, 0.03, 0.035), (0.05, 0.1, 0.07)],
}
PENS = {  # name: (width in mm from, to; digit's height in mm from, to; colours)
    "ballpoint": (0.45, 0.8, 10, 30, [(0.04, 0.05, 0.3), (0.03, 0.04, 0.18), (0.05, 0.05, 0.06), (0.45, 0.05, 0.06)]),
    "fineliner": (0.4, 0.9, 10, 30, [(0.03, 0.03, 0.03), (0.03, 0.05, 0.25), (0.02, 0.25, 0.1)]),
    "felt": (1.2, 2.6, 15, 60, [(0.03, 0.03, 0.03), (0.04, 0.08, 0.4), (0.5, 0.04, 0.05), (0.02, 0.28, 0.12)]),
    "marker": (3.0, 6.0, 40, 120, [(0.03, 0.03, 0.03), (0.04, 0.06, 0.3), (0.45, 0.04, 0.06)]),
    "chalk": (4.0, 8.0, 50, 150, [(0.75, 0.75, 0.72), (0.75, 0.65, 0.25)]),
    "pencil": (0.5, 1.0, 10, 30, [(0.12, 0.12, 0.13), (0.2, 0.2, 0.21)]),
}


@dataclass
class Plane:
    """A rectangle of it: `pixels`, of which `scale` make a millimetre, and `origin`, (x, y) of its corner in mm."""

    pixels: np.ndarray
    scale: float
    origin: np.ndarray

    def place(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) in mm → (n, 2) int32, as cv2 draws with SHIFT."""
        return np.round((points - self.origin) * self.scale * 2**SHIFT).astype(np.int32)

    @property
    def shape(self) -> tuple[int, int]:
        return self.pixels.shape[:2]


@dataclass(frozen=True)
class Ink:
    """A digit as written: curves in mm around (0, 0), the pen's width in mm, its colour, how much of it shows."""

    curves: list[np.ndarray]
    width: float
    colour: tuple[float, float, float]
    cover: float
    grain: float

    @property
    def size(self) -> np.ndarray:
        """(width, height) in mm, with the pen's width."""
        return np.ptp(np.concatenate(self.curves), axis=0) + self.width


def write_digit(digit: int, pen: str, rng: np.random.Generator) -> Ink:
    thinnest, widest, low, high, colours = PENS[pen]
    width = np.exp(rng.uniform(*np.log([thinnest, widest])))
    # nobody writes 3 cm high with a hair's width, nor so bold that no paper is left within
    height = np.clip(np.exp(rng.uniform(*np.log([low, high]))), 7 * width, 40 * width)
    curves = write(pick(STYLES[digit], rng)(rng), rng, WRITER)
    every = np.concatenate(curves)
    first, last = every.min(0), every.max(0)
    scale = (height - width) / (last - first).max()
    curves = [(curve - (first + last) / 2) * scale for curve in curves]
    dry = pen in ("pencil", "chalk")  # the ground shows through
    cover = rng.uniform(0.5, 0.85) if dry else rng.uniform(0.8, 1)
    return Ink(curves, width, colours[rng.integers(len(colours))], cover, rng.uniform(0.2, 0.45) if dry else 0.1)


def noise(shape: tuple[int, int], rng: np.random.Generator, across: float, down: float | None = None) -> np.ndarray:
    """(h, w) float32 of standard deviation 1, of lumps this many pixels large."""
    height, width = shape
    small = max(2, int(height / (down or across))), max(2, int(width / across))
    lumps = rng.standard_normal(small, np.float32)
    grown = cv2.resize(lumps, (width, height), interpolation=cv2.INTER_CUBIC)
    return grown / max(grown.std(), 1e-6)


def lay_table(plane: Plane, kind: str, rng: np.random.Generator) -> None:
    colours = TABLES[kind]
    base = np.array(colours[rng.integers(len(colours))], np.float32) * rng.uniform(0.85, 1.15)
    fine = noise(plane.shape, rng, 1.5)
    if kind == "wood":
        grain = noise(plane.shape, rng, 25 * plane.scale, 0.8 * plane.scale)
        rings = np.sin(noise(plane.shape, rng, 60 * plane.scale, 9 * plane.scale) * 6)
        shade = 1 + rng.uniform(0.04, 0.14) * grain + rng.uniform(0.02, 0.1) * rings + 0.02 * fine
        if rng.random() < 0.5:
            shade = np.ascontiguousarray(cv2.resize(shade.T, shade.shape[::-1]))
    elif kind == "cloth":
        y, x = np.mgrid[: plane.shape[0], : plane.shape[1]].astype(np.float32) / plane.scale
        weave = np.sin(2 * np.pi * x / 1.1) * np.sin(2 * np.pi * y / 1.1)
        checks = (np.floor(x / 18) + np.floor(y / 18)) % 2 if rng.random() < 0.4 else 0
        shade = 1 + 0.12 * weave + 0.35 * checks + 0.05 * fine
    else:
        shade = 1 + 0.03 * fine + rng.uniform(0.01, 0.06) * noise(plane.shape, rng, 3 * plane.scale)
    plane.pixels[:] = np.clip(base * shade[..., None], 0.01, 0.95)


def lay_sheet(
    plane: Plane, corners: np.ndarray, paper: str, rules: str, height: float, rng: np.random.Generator
) -> None:
    """A sheet with these `corners`, (4, 2) in mm, its shadow around it; `height` is the digit's, which rules go by."""
    shape = np.zeros(plane.shape, np.uint8)
    cv2.fillConvexPoly(shape, plane.place(corners), 255, cv2.LINE_AA, SHIFT)
    covered = shape.astype(np.float32)[..., None] / 255
    off = plane.scale * rng.uniform(-1.5, 1.5, 2)
    moved = cv2.warpAffine(shape, np.float32([[1, 0, off[0]], [0, 1, off[1]]]), plane.shape[::-1])
    shadow = cv2.GaussianBlur(moved, (0, 0), plane.scale * rng.uniform(0.4, 2)).astype(np.float32)[..., None] / 255
    plane.pixels *= 1 - rng.uniform(0.2, 0.6) * shadow
    colours = PAPERS[paper]
    base = np.array(colours[rng.integers(len(colours))], np.float32)
    fibres = 0.006 * noise(plane.shape, rng, 1.2) + 0.012 * noise(plane.shape, rng, 4 * plane.scale)
    sheet = base * (1 + fibres[..., None] + rng.uniform(0, 0.02) * noise(plane.shape, rng, 30 * plane.scale)[..., None])
    if rng.random() < 0.12:
        sheet *= _fold(plane, rng)[..., None]
    sheet *= 1 - _rule(plane, corners, rules, height, rng)
    plane.pixels[:] = covered * sheet + (1 - covered) * plane.pixels


def _fold(plane: Plane, rng: np.random.Generator) -> np.ndarray:
    """(h, w): a sheet that was folded once is lighter on one side of the fold."""
    angle, reach = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.03), rng.uniform(8, 40) * rng.choice([-1, 1])
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]].astype(np.float32)
    across = (x / plane.scale + plane.origin[0]) * np.sin(angle) + (y / plane.scale + plane.origin[1]) * np.cos(angle)
    return 1 + rng.uniform(0.02, 0.07) * np.tanh((across - reach) / 0.7)


def _rule(plane: Plane, corners: np.ndarray, kind: str, height: float, rng: np.random.Generator) -> np.ndarray:
    """(h, w, 3): how much light the printed lines take, along the sheet's sides."""
    taken = np.zeros((*plane.shape, 3), np.float32)
    if kind == "plain":
        return taken
    spacing = rng.uniform(7, 9) if kind == "ruled" else rng.choice([4, 5, 7, 10])
    spacing = max(spacing, height / 5)  # what is written larger than five lines is written on other paper
    right = corners[1] - corners[0]
    right = right / np.linalg.norm(right)
    down, reach = np.array([-right[1], right[0]]), 6 * np.abs(corners).max()
    lines = np.zeros(plane.shape, np.uint8)
    start = rng.uniform(0, spacing)
    extent = (
        float(np.abs(np.array([plane.origin, plane.origin + np.array(plane.shape[::-1]) / plane.scale])).max()) * 1.5
    )
    thick = max(1, round(rng.uniform(0.15, 0.35) * plane.scale))
    for along, across in [(right, down)] + [(down, right)] * (kind == "squared"):
        for at in np.arange(start - extent, extent, spacing):
            ends = np.array([at * across - reach * along, at * across + reach * along])
            ends = np.clip(ends, -2000, 2000)
            cv2.line(lines, *map(tuple, plane.place(ends).tolist()), 255, thick, cv2.LINE_AA, SHIFT)
    share = rng.uniform(0.15, 0.65) * lines.astype(np.float32)[..., None] / 255
    tint = np.array([(0.95, 0.6, 0.3), (0.8, 0.8, 0.8), (0.9, 0.5, 0.6), (0.5, 0.9, 0.9)][rng.integers(4)], np.float32)
    taken += share * tint
    if kind == "ruled" and rng.random() < 0.4:  # a red margin, left of the digit
        margin = np.zeros(plane.shape, np.uint8)
        at = -(height * rng.uniform(0.7, 1.1) + 2) * right
        cv2.line(
            margin,
            *map(tuple, plane.place(np.array([at - 500 * down, at + 500 * down])).tolist()),
            255,
            thick,
            cv2.LINE_AA,
            SHIFT,
        )
        taken = np.maximum(taken, 0.5 * margin.astype(np.float32)[..., None] / 255 * np.float32([0.1, 0.9, 0.8]))
    return taken


def put_ink(plane: Plane, ink: Ink, rng: np.random.Generator) -> None:
    """Pressure varies along a stroke, and the paper's grain shows through a pencil."""
    drawn = np.zeros(plane.shape, np.uint8)
    for curve in ink.curves:
        points = plane.place(curve)
        pressure = 1 + 0.12 * np.interp(np.arange(len(points)), np.linspace(0, len(points), 6), rng.normal(0, 1, 6))
        for one, other, press in zip(points, points[1:], pressure, strict=False):
            thick = max(1, round(ink.width * plane.scale * np.clip(press, 0.65, 1.35)))
            cv2.line(drawn, tuple(one.tolist()), tuple(other.tolist()), 255, thick, cv2.LINE_AA, SHIFT)
    soft = cv2.GaussianBlur(drawn, (0, 0), max(0.3, 0.06 * plane.scale)).astype(np.float32) / 255
    grain = 1 - ink.grain * np.abs(noise(plane.shape, rng, max(1.0, 0.2 * plane.scale)))
    cover = np.clip(soft * ink.cover * grain, 0, 1)[..., None]
    plane.pixels[:] = plane.pixels * (1 - cover) + cover * np.float32(ink.colour)


def put_things(plane: Plane, ink: Ink, rng: np.random.Generator) -> None:
    """A pen, a coin or some small print, next to the digit."""
    size = ink.size.max()
    side, along = rng.permutation([(1, 0), (-1, 0), (0, 1), (0, -1)])[0], rng.uniform(-0.4, 0.4) * size
    for thing in rng.permutation([_pen, _coin, _print])[: rng.integers(1, 3)]:
        near = side * (np.minimum(ink.size, size) / 2 + rng.uniform(0.25, 0.5) * size) + along * side[::-1]
        thing(plane, near, side, rng)
        side = -side


def _pen(plane: Plane, near: np.ndarray, side: np.ndarray, rng: np.random.Generator) -> None:
    """It lies across, `near` is the point of it that comes closest."""
    thick = rng.uniform(7, 10)
    along = side[::-1] + rng.normal(0, 0.2, 2)
    along, middle = along / np.linalg.norm(along), near + side * thick
    ends = middle - along * rng.uniform(15, 70), middle + along * rng.uniform(70, 110)
    colour = rng.uniform(0.02, 0.6, 3).astype(np.float32)
    for shift, width, shade in [(1.2, 1.0, None), (0, 1.0, 0.7), (-0.1 * thick, 0.55, 1.0), (-0.2 * thick, 0.12, 1.8)]:
        mask = np.zeros(plane.shape, np.uint8)
        places = plane.place(np.clip(np.array(ends) + shift, -3000, 3000)).tolist()
        cv2.line(mask, *map(tuple, places), 255, max(1, round(thick * width * plane.scale)), cv2.LINE_AA, SHIFT)
        cover = cv2.GaussianBlur(mask, (0, 0), max(0.5, (1.2 if shade is None else 0.2) * plane.scale))
        cover = cover.astype(np.float32)[..., None] / 255
        if shade is None:  # what it takes from the light
            plane.pixels *= 1 - 0.5 * cover
        else:
            plane.pixels[:] = plane.pixels * (1 - cover) + cover * np.minimum(colour * shade, 0.95)


def _coin(plane: Plane, near: np.ndarray, side: np.ndarray, rng: np.random.Generator) -> None:
    radius = rng.uniform(8, 13)
    middle = near + side * radius
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]].astype(np.float32) / plane.scale
    off = np.hypot(x + plane.origin[0] - middle[0], y + plane.origin[1] - middle[1]) / radius
    cover = np.clip((1 - off) * radius * plane.scale, 0, 1)[..., None]
    relief = 1 + 0.15 * noise(plane.shape, rng, max(1.5, 1.2 * plane.scale)) + 0.4 * (np.abs(off - 0.92) < 0.05)
    metal = np.array([(0.45, 0.33, 0.15), (0.4, 0.4, 0.4), (0.35, 0.17, 0.09)][rng.integers(3)], np.float32)
    plane.pixels[:] = plane.pixels * (1 - cover) + cover * np.clip(metal * relief[..., None], 0, 0.95)


def _print(plane: Plane, near: np.ndarray, side: np.ndarray, rng: np.random.Generator) -> None:
    """Three lines of it, as in a form's margin."""
    mask = np.zeros(plane.shape, np.uint8)
    height = rng.uniform(1.8, 2.6) * plane.scale
    x, y = (near + side * (30 if side[0] < 0 else 8) - plane.origin) * plane.scale
    for line in range(3):
        text = "".join(rng.choice(list("aeinorstlmdu  "), rng.integers(8, 18)))
        place = int(x), int(y + 1.8 * line * height)
        cv2.putText(
            mask, text, place, cv2.FONT_HERSHEY_COMPLEX, height / 22, 255, max(1, round(height / 9)), cv2.LINE_AA
        )
    cover = rng.uniform(0.5, 0.9) * mask.astype(np.float32)[..., None] / 255
    plane.pixels[:] = plane.pixels * (1 - cover) + cover * np.float32(0.05)
