"""Pictures that are not digits, made independently of those in training: scribbles, crosses, rows, scenes."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.drawings import OVER, draw

SIDE = 280  # pixels, as the canvas


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    large = Image.new("L", (SIDE * OVER, SIDE * OVER))
    return large, ImageDraw.Draw(large)


def _line(paint: ImageDraw.ImageDraw, points: np.ndarray, pen: float) -> None:
    """A round pen along `points`, (n, 2), and its width, both in pixels of the finished picture."""
    scaled, radius = points * OVER, pen * OVER / 2
    paint.line([tuple(point) for point in scaled], fill=255, width=round(2 * radius), joint="curve")
    for x, y in scaled[[0, -1]]:
        paint.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _pen(rng: np.random.Generator) -> float:
    return SIDE * rng.uniform(0.03, 0.09)


def _finish(large: Image.Image) -> np.ndarray:
    return np.asarray(large.reduce(OVER))


def scribble(rng: np.random.Generator) -> np.ndarray:
    """A pen that runs about without lifting: a sum of a few sines in x and in y."""
    large, paint = _sheet()
    t = np.linspace(0, 2 * np.pi, 600)
    waves = range(2, 10)
    paths = [sum(rng.normal(0, 1) * np.sin(k * t + rng.uniform(0, 6.3)) for k in waves) for _ in "xy"]
    path = np.stack([axis / np.abs(axis).max() for axis in paths], 1)
    _line(paint, SIDE / 2 + path * SIDE * rng.uniform(0.25, 0.42), _pen(rng))
    return _finish(large)


def zigzag(rng: np.random.Generator) -> np.ndarray:
    """Straight strokes from one random point to the next."""
    large, paint = _sheet()
    _line(paint, rng.uniform(0.12, 0.88, (rng.integers(9, 22), 2)) * SIDE, _pen(rng))
    return _finish(large)


def cross(rng: np.random.Generator) -> np.ndarray:
    """Two to eight lines through one point: ×, + and asterisks."""
    large, paint = _sheet()
    arms, pen = rng.integers(2, 9), _pen(rng)
    first = rng.uniform(0, np.pi)
    if arms == 2:  # a steep and a flat line would be a crossed 1 or a t: keep to × and +
        first = rng.choice([0, np.pi / 4]) + rng.normal(0, 0.08)
    for arm in range(arms):
        angle = first + arm * np.pi / arms + rng.normal(0, 0.08)
        reach = SIDE * rng.uniform(0.28, 0.42) * np.array([np.cos(angle), np.sin(angle)])
        _line(paint, SIDE / 2 + np.stack([-reach, reach]), pen)
    return _finish(large)


def row(rng: np.random.Generator) -> np.ndarray:
    """Two to four digits side by side; no 1 and no 7, which may look like a part of another digit."""
    count = rng.integers(2, 5)
    picture = np.zeros((SIDE, SIDE), np.uint8)
    for place in range(count):
        at = ((place + 0.5) / count + rng.normal(0, 0.01), 0.5 + rng.normal(0, 0.03))
        digit = draw(
            int(rng.choice([0, 2, 3, 4, 5, 6, 8, 9])),
            SIDE,
            size=rng.uniform(0.3, 0.5) if count < 4 else 0.27,
            pen=rng.uniform(0.07, 0.16),
            at=at,
            slant=rng.uniform(-5, 12),
        )
        picture = np.maximum(picture, digit)
    return picture


def scene(rng: np.random.Generator) -> np.ndarray:
    """A photo of something else: things of many greys before a background that is not even, a little blurred."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    paper = rng.uniform(60, 200) + rng.uniform(-60, 60) * x + rng.uniform(-60, 60) * y
    photo = Image.fromarray(paper.clip(0, 255).astype(np.uint8))
    paint = ImageDraw.Draw(photo)
    for _ in range(rng.integers(6, 16)):
        (x0, x1), (y0, y1) = (np.sort(rng.uniform(0, SIDE, 2)) for _ in "xy")
        shade = int(rng.uniform(0, 255))
        shape = rng.choice(["ellipse", "rectangle", "polygon"])
        if shape == "polygon":
            paint.polygon([tuple(p) for p in rng.uniform(0, SIDE, (rng.integers(3, 7), 2))], fill=shade)
        else:
            getattr(paint, shape)((x0, y0, x1, y1), fill=shade)
    photo = np.asarray(photo.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3))), float)
    return (photo + rng.normal(0, rng.uniform(0, 8), photo.shape)).clip(0, 255).astype(np.uint8)


KINDS: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (scribble, zigzag, cross, row, scene)


def make(count: int, seed: int) -> list[tuple[str, np.ndarray]]:
    """`count` pictures and what they show, as many of each kind: (280, 280) uint8; ink is white but in scenes."""
    rng = np.random.default_rng(seed)
    kinds = [KINDS[i % len(KINDS)] for i in range(count)]
    return [(kind.__name__, kind(rng)) for kind in kinds]
