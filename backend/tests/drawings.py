"""The ten digits, drawn with a round pen along skeletons of our own, and what cameras and files do to them."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

OVER = 4  # drawn this much larger, then shrunk: that is anti-aliasing

Colour = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

Point = tuple[float, float]  # x, y; a digit is 1 high, y grows downwards


def _curve(*points: Point) -> list[Point]:
    """A smooth line through the points (Catmull-Rom)."""
    known = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    smooth = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(known, known[1:], known[2:], known[3:], strict=False)
    ]
    return [tuple(p) for p in np.concatenate([*smooth, known[-1:]])]


STROKES: dict[int, list[list[Point]]] = {
    0: [
        _curve(
            (0.34, 0),
            (0.12, 0.14),
            (0.02, 0.5),
            (0.12, 0.87),
            (0.34, 1),
            (0.56, 0.87),
            (0.64, 0.5),
            (0.54, 0.14),
            (0.34, 0),
            (0.28, 0.01),
        )
    ],
    1: [[(0.34, 0), (0.34, 1)]],
    2: [
        _curve((0.06, 0.24), (0.18, 0.05), (0.4, 0), (0.58, 0.11), (0.6, 0.31), (0.44, 0.58), (0.2, 0.84), (0.02, 1)),
        [(0.02, 1), (0.68, 0.97)],
    ],
    3: [
        _curve((0.06, 0.12), (0.28, 0), (0.52, 0.08), (0.54, 0.28), (0.4, 0.43), (0.22, 0.47)),
        _curve((0.22, 0.47), (0.46, 0.51), (0.6, 0.7), (0.5, 0.93), (0.24, 1), (0.03, 0.89)),
    ],
    4: [[(0.14, 0), (0.04, 0.56), (0.64, 0.56)], [(0.5, 0.05), (0.48, 1)]],
    5: [
        [(0.58, 0), (0.14, 0), (0.09, 0.42)],
        _curve((0.09, 0.42), (0.34, 0.37), (0.57, 0.53), (0.57, 0.82), (0.34, 1), (0.04, 0.93)),
    ],
    6: [
        _curve(
            (0.5, 0),
            (0.24, 0.22),
            (0.06, 0.6),
            (0.12, 0.9),
            (0.34, 1),
            (0.56, 0.87),
            (0.55, 0.65),
            (0.36, 0.55),
            (0.16, 0.63),
            (0.07, 0.77),
        )
    ],
    7: [[(0.02, 0.02), (0.62, 0.02), (0.24, 1)]],
    8: [
        _curve(
            (0.34, 0.46),
            (0.11, 0.3),
            (0.14, 0.08),
            (0.34, 0),
            (0.54, 0.08),
            (0.56, 0.29),
            (0.34, 0.46),
            (0.09, 0.69),
            (0.12, 0.93),
            (0.34, 1),
            (0.57, 0.92),
            (0.59, 0.69),
            (0.34, 0.46),
        )
    ],
    9: [
        _curve((0.56, 0.22), (0.42, 0.02), (0.16, 0.05), (0.05, 0.27), (0.18, 0.48), (0.4, 0.44), (0.56, 0.22)),
        [(0.57, 0.18), (0.55, 0.55), (0.46, 1)],
    ],
}


def draw(
    digit: int,
    side: int | tuple[int, int] = 280,
    *,
    size: float = 0.6,
    pen: float = 0.1,
    at: Point = (0.5, 0.5),
    slant: float = 0.0,
) -> np.ndarray:
    """(height, width) uint8, white ink on black, of `side` (or width, height) pixels.

    `size`: the digit's height as a share of the shorter side; `pen`: its width as a share of the digit's height;
    `at`: where the digit's middle lies, as a share of the sides; `slant`: degrees to the right.
    """
    width, height = (side, side) if isinstance(side, int) else side
    scale = size * min(width, height)
    patch = _patch([np.array(stroke) for stroke in STROKES[digit]], scale, pen * scale, slant)
    sheet = Image.new("L", (width, height))
    sheet.paste(patch, (round(at[0] * width - patch.width / 2), round(at[1] * height - patch.height / 2)))
    return np.asarray(sheet)


def _patch(strokes: Sequence[np.ndarray], scale: float, pen: float, slant: float) -> Image.Image:
    """The strokes without a margin, `scale` pixels high (and the pen's width)."""
    lean = np.array([[1, 0], [-np.tan(np.radians(slant)), 1]])
    strokes = [stroke @ lean for stroke in strokes]
    low = np.concatenate(strokes).min(0)
    strokes = [((stroke - low) * scale + pen / 2) * OVER for stroke in strokes]
    width, height = np.ceil(np.concatenate(strokes).max(0) / OVER + pen / 2).astype(int) + 1
    large = Image.new("L", (width * OVER, height * OVER))
    paint, radius = ImageDraw.Draw(large), pen * OVER / 2
    for stroke in strokes:
        paint.line([tuple(point) for point in stroke], fill=255, width=max(1, round(2 * radius)))
        for x, y in stroke:
            paint.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return large.reduce(OVER)


def colour(ink: np.ndarray, pen: Colour, paper: Colour) -> Image.Image:
    """The drawing in colours."""
    share = ink[..., None] / 255
    return Image.fromarray(np.round(share * pen + (1 - share) * paper).astype(np.uint8), "RGB")


def grey(ink: np.ndarray, pen: int, paper: int) -> np.ndarray:
    """The drawing in two greys."""
    return np.round(paper + ink / 255 * (float(pen) - paper)).astype(np.uint8)


def on_transparent(ink: np.ndarray, pen: Colour) -> Image.Image:
    """Ink on nothing at all, as an app exports it."""
    image = Image.new("RGBA", ink.shape[::-1], (*pen, 0))
    image.putalpha(Image.fromarray(ink))
    return image


def photo(ink: np.ndarray, seed: int = 0, *, light: float = 0.45, noise: float = 6.0) -> Image.Image:
    """A phone's picture of dark ink on paper: light from one side, texture, noise, a lens that is not quite sharp."""
    rng = np.random.default_rng(seed)
    height, width = ink.shape
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    shade = 225 * (1 - light * (0.7 * across + 0.3 * down))
    coarse = Image.fromarray(rng.normal(0, 1, (max(height // 6, 2), max(width // 6, 2))).astype(np.float32))
    texture = 3 * np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    sheet = shade * (1 - 0.75 * _blur(ink) / 255) + texture + rng.normal(0, noise, ink.shape)
    tint = np.array([1.0, 0.97, 0.9])
    return Image.fromarray((sheet[..., None] * tint).clip(0, 255).astype(np.uint8), "RGB")


def _blur(ink: np.ndarray) -> np.ndarray:
    small = Image.fromarray(ink).reduce(max(1, min(ink.shape) // 280))
    return np.asarray(small.resize(ink.shape[::-1], Image.Resampling.BICUBIC), float)


def on_table(sheet: Image.Image, seed: int = 0) -> Image.Image:
    """The sheet, a little askew on a dark table, whose edges show all around."""
    rng = np.random.default_rng(seed)
    width, height = round(sheet.width * 1.3), round(sheet.height * 1.3)
    table = Image.fromarray(rng.normal(45, 5, (height, width, 3)).clip(0, 255).astype(np.uint8), "RGB")
    turned = sheet.convert("RGBA").rotate(3, expand=True, resample=Image.Resampling.BICUBIC)
    table.paste(turned, ((width - turned.width) // 2, (height - turned.height) // 2), turned)
    return table


def specks(picture: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Salt and pepper on that share of the pixels."""
    rng = np.random.default_rng(seed)
    dirty = picture.copy()
    hit = rng.random(picture.shape) < share
    dirty[hit] = rng.choice([0, 255], hit.sum())
    return dirty


def encode(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    """The bytes of a picture file."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def seven() -> bytes:
    """A picture that nothing is wrong with: what a browser's canvas would send."""
    return encode(draw(7))
