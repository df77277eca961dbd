"""Sketches that differ from each other, drawn quickly with mouse or finger, and what they look like."""

import itertools
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import CDPSession, Page

Stroke = list[tuple[float, float]]

SIDE = 70  # of the pictures that are compared
PEN = 26 / 400
DIGITS: dict[str, list[Stroke]] = {
    "0": [[(0.5, 0.15), (0.3, 0.3), (0.28, 0.65), (0.5, 0.85), (0.72, 0.65), (0.7, 0.3), (0.5, 0.15)]],
    "1": [[(0.5, 0.12), (0.5, 0.88)]],
    "2": [[(0.3, 0.3), (0.5, 0.15), (0.7, 0.3), (0.3, 0.82), (0.74, 0.82)]],
    "3": [[(0.32, 0.22), (0.5, 0.15), (0.66, 0.28), (0.5, 0.46), (0.68, 0.64), (0.5, 0.82), (0.3, 0.74)]],
    "4": [[(0.5, 0.15), (0.25, 0.6), (0.75, 0.6)], [(0.58, 0.38), (0.58, 0.85)]],
    "5": [[(0.66, 0.16), (0.36, 0.16), (0.34, 0.46), (0.6, 0.46), (0.68, 0.66), (0.52, 0.84), (0.32, 0.76)]],
    "6": [[(0.6, 0.14), (0.36, 0.45), (0.34, 0.7), (0.5, 0.86), (0.66, 0.7), (0.52, 0.54), (0.36, 0.64)]],
    "7": [[(0.28, 0.2), (0.72, 0.2), (0.45, 0.84)]],
    "8": [[(0.5, 0.48), (0.34, 0.3), (0.5, 0.15), (0.66, 0.3), (0.34, 0.68), (0.5, 0.86), (0.68, 0.68), (0.5, 0.48)]],
    "9": [[(0.66, 0.32), (0.5, 0.16), (0.36, 0.34), (0.5, 0.48), (0.66, 0.32), (0.6, 0.86)]],
}


@dataclass(frozen=True)
class Sketch:
    """Strokes on a square of side 1; place and size differ from sketch to sketch."""

    label: str
    strokes: list[Stroke]

    def image(self) -> np.ndarray:
        """(SIDE, SIDE) from 0 to 1, as it must look in the database."""
        large = Image.new("L", (4 * SIDE, 4 * SIDE))
        paint = ImageDraw.Draw(large)
        radius = PEN * 2 * SIDE
        for stroke in self.strokes:
            points = [(x * 4 * SIDE, y * 4 * SIDE) for x, y in stroke]
            paint.line(points, 255, round(2 * radius), joint="curve")
            for x, y in (points[0], points[-1]):
                paint.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
        return np.asarray(large.reduce(4)) / 255


def sketches(count: int, seed: int) -> list[Sketch]:
    rng = random.Random(seed)
    return [_sketch(rng.choice("0123456789"), rng) for _ in range(count)]


def _sketch(label: str, rng: random.Random) -> Sketch:
    scale, dx, dy, slant = (
        rng.uniform(0.55, 1),
        rng.uniform(-0.12, 0.12),
        rng.uniform(-0.08, 0.08),
        rng.uniform(-0.2, 0.2),
    )

    def place(x: float, y: float) -> tuple[float, float]:
        return 0.5 + scale * (x - 0.5 - slant * (y - 0.5)) + dx, 0.5 + scale * (y - 0.5) + dy

    return Sketch(label, [[place(*point) for point in stroke] for stroke in DIGITS[label]])


def whose(picture: Image.Image, candidates: list[Sketch]) -> int:
    """The index of the sketch that the picture shows."""
    shown = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)) / 255
    return int(np.argmin([np.abs(shown - sketch.image()).mean() for sketch in candidates]))


class Hand:
    """Draws on a page's canvas: with the mouse, or with a finger."""

    def __init__(self, page: Page, finger: bool = False, steps: int = 3) -> None:
        self.page, self.steps = page, steps
        self.touch: CDPSession | None = page.context.new_cdp_session(page) if finger else None
        self.box = page.locator("canvas.upper-canvas").bounding_box()

    def stroke(self, stroke: Stroke) -> None:
        points = [self.place(*point) for point in stroke]
        if self.touch:
            self._send("touchStart", points[0])
            for point in self._between(points):
                self._send("touchMove", point)
            self._send("touchEnd")
            return
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=self.steps)
        self.page.mouse.up()

    def draw(self, sketch: Sketch) -> None:
        for stroke in sketch.strokes:
            self.stroke(stroke)

    def label(self, label: str) -> None:
        if self.touch:
            self.page.locator(f'.keypad [data-key="{label}"]').tap()
        else:
            self.page.keyboard.press(label)

    def place(self, x: float, y: float) -> tuple[float, float]:
        return self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]

    def _between(self, points: Stroke) -> Stroke:
        pairs = itertools.pairwise(points)
        parts = [n / self.steps for n in range(1, self.steps + 1)]
        return [(a + t * (c - a), b + t * (d - b)) for (a, b), (c, d) in pairs for t in parts]

    def _send(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        self.touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
