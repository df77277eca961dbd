"""Ways in which a digit reaches the backend: each a function from the digit to the bytes of a picture file."""

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from app.imaging import read
from tests.drawings import (
    BLACK,
    WHITE,
    Colour,
    colour,
    draw,
    encode,
    grey,
    on_table,
    on_transparent,
    photo,
    specks,
)

BLUE, YELLOW, RED, CREAM = (20, 40, 200), (255, 225, 0), (200, 20, 20), (250, 245, 225)

ORIENTATION = 0x0112  # EXIF tag
# how a picture has to be stored so that a viewer that obeys the tag shows it upright
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

Scene = Callable[[int], bytes]


def dark(digit: int, *where, **how) -> np.ndarray:
    """Black ink on white."""
    return 255 - draw(digit, *where, **how)


def oriented(picture: Image.Image, orientation: int, kind: str = "PNG", **options) -> bytes:
    """Stored turned or mirrored, with the EXIF tag that says so."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = picture if STORED[orientation] is None else picture.transpose(STORED[orientation])
    return encode(stored, kind, exif=exif, **options)


def animated(digit: int, kind: str, **options) -> bytes:
    """The digit first, others after it."""
    frames = [Image.fromarray(draw(d)) for d in (digit, (digit + 1) % 10, (digit + 2) % 10)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)


def sixteen_bit(digit: int, pen: int, paper: int) -> bytes:
    share = draw(digit) / 255
    return encode(Image.fromarray((paper + share * (pen - paper)).astype(np.uint16)), "PNG")


def opaque_page(digit: int) -> bytes:
    """A white sheet with black ink in the middle of nothing."""
    page = Image.fromarray(dark(digit)).convert("RGBA")
    around = Image.new("RGBA", (330, 300), (0, 0, 0, 0))
    around.paste(page, (25, 10))
    return encode(around)


def palette_with_transparency(digit: int) -> bytes:
    ink = Image.fromarray((draw(digit) > 127).astype(np.uint8))
    ink.putpalette([255, 255, 255, 30, 30, 90])
    return encode(ink.convert("P") if ink.mode != "P" else ink, transparency=0)


def grey_with_alpha(digit: int, pen: int) -> bytes:
    ink = draw(digit)
    return encode(Image.merge("LA", [Image.new("L", ink.shape[::-1], pen), Image.fromarray(ink)]))


def tight(digit: int) -> bytes:
    """Bold, and cropped to the ink."""
    ink = draw(digit, size=0.7, pen=0.22)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return encode(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def border(digit: int) -> bytes:
    """Drawn over the canvas' upper edge by half a pen."""
    return encode(draw(digit, size=0.8, at=(0.5, 0.4)))


def noisy(picture: np.ndarray, sigma: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (picture + rng.normal(0, sigma, picture.shape)).clip(0, 255).astype(np.uint8)


def blobs(digit: int) -> bytes:
    """Three dots of dirt, each a hundredth of the ink."""
    picture = dark(digit)
    for top, left in [(8, 12), (262, 250), (20, 255)]:
        picture[top : top + 7, left : left + 7] = 0
    return encode(picture)


def in_colour(digit: int, pen: Colour, paper: Colour, kind: str = "PNG", **options) -> bytes:
    return encode(colour(draw(digit), pen, paper), kind, **options)


FILES: dict[str, Scene] = {
    "png": lambda d: encode(draw(d)),
    "png rgb": lambda d: in_colour(d, WHITE, BLACK),
    "png rgba": lambda d: encode(colour(draw(d), WHITE, BLACK).convert("RGBA")),
    "png palette": lambda d: encode(Image.fromarray(draw(d)).convert("P")),
    "png one bit": lambda d: encode(Image.fromarray(draw(d)).convert("1")),
    "png grey with alpha": lambda d: encode(Image.fromarray(draw(d)).convert("LA")),
    "png 16 bit": lambda d: sixteen_bit(d, pen=65535, paper=0),
    "png 16 bit, dark on light": lambda d: sixteen_bit(d, pen=4000, paper=60000),
    "png 16 bit of a 12 bit scanner": lambda d: sixteen_bit(d, pen=300, paper=4000),
    "png, animated": lambda d: animated(d, "PNG"),
    "jpeg": lambda d: encode(draw(d), "JPEG"),
    "jpeg rgb": lambda d: in_colour(d, BLACK, WHITE, "JPEG"),
    "jpeg progressive": lambda d: in_colour(d, BLACK, WHITE, "JPEG", progressive=True),
    "jpeg strongly compressed": lambda d: in_colour(d, BLACK, WHITE, "JPEG", quality=12),
    "jpeg cmyk": lambda d: encode(colour(draw(d), BLACK, WHITE).convert("CMYK"), "JPEG"),
    "jpeg cmyk, light on dark": lambda d: encode(colour(draw(d), WHITE, BLACK).convert("CMYK"), "JPEG"),
    "jpeg of several pictures (MPO)": lambda d: animated(d, "MPO"),
    "webp": lambda d: in_colour(d, BLACK, WHITE, "WEBP"),
    "webp lossless": lambda d: in_colour(d, WHITE, BLACK, "WEBP", lossless=True),
    "webp transparent": lambda d: encode(on_transparent(draw(d), BLACK), "WEBP", lossless=True),
    "webp animated": lambda d: animated(d, "WEBP", lossless=True),
    "gif": lambda d: encode(draw(d), "GIF"),
    "gif animated": lambda d: animated(d, "GIF"),
    "gif transparent": lambda d: encode(on_transparent(draw(d), BLACK), "GIF"),
    "bmp": lambda d: encode(draw(d), "BMP"),
    "bmp rgb": lambda d: in_colour(d, BLACK, WHITE, "BMP"),
    "bmp one bit": lambda d: encode(Image.fromarray(dark(d)).convert("1"), "BMP"),
}

SHEETS: dict[str, Scene] = {
    "black on white": lambda d: encode(dark(d)),
    "grey on grey": lambda d: encode(grey(draw(d), 90, 140)),
    "light grey on grey": lambda d: encode(grey(draw(d), 170, 120)),
    "faint pencil": lambda d: encode(grey(draw(d), 205, 245)),
    "yellow on white": lambda d: in_colour(d, YELLOW, WHITE),
    "blue on black": lambda d: in_colour(d, BLUE, BLACK),
    "red on cream": lambda d: in_colour(d, RED, CREAM),
    "red on green, equally bright": lambda d: in_colour(d, (200, 0, 0), (0, 102, 0)),
    "black ink on nothing": lambda d: encode(on_transparent(draw(d), BLACK)),
    "white ink on nothing": lambda d: encode(on_transparent(draw(d), WHITE)),
    "blue ink on nothing": lambda d: encode(on_transparent(draw(d), BLUE)),
    "black grey ink on nothing": lambda d: grey_with_alpha(d, 0),
    "white grey ink on nothing": lambda d: grey_with_alpha(d, 255),
    "opaque page in nothing": opaque_page,
    "palette with transparent paper": palette_with_transparency,
}

SIZES: dict[str, Scene] = {
    "thin": lambda d: encode(draw(d, pen=0.03)),
    "thick": lambda d: encode(draw(d, pen=0.2)),
    "12 pixels": lambda d: encode(draw(d, 12, size=0.8, pen=0.13)),
    "28 pixels": lambda d: encode(draw(d, 28, size=0.75)),
    "281 pixels": lambda d: encode(draw(d, 281)),
    "wide": lambda d: encode(draw(d, (1500, 250), at=(0.2, 0.5))),
    "tall": lambda d: encode(dark(d, (180, 2000), at=(0.5, 0.8))),
    "2000 pixels": lambda d: encode(draw(d, 2000)),
    "3% of 4000 pixels": lambda d: encode(draw(d, 4000, size=0.03, at=(0.7, 0.2))),
    "3% of 4000 pixels, dark, in the corner": lambda d: encode(dark(d, 4000, size=0.03, at=(0.97, 0.98))),
    "fills the canvas": lambda d: encode(draw(d, size=0.9)),
    "in the corner": lambda d: encode(draw(d, size=0.3, at=(0.15, 0.18))),
    "touches the border": border,
    "tight crop of a bold one": tight,
}

DIRT: dict[str, Scene] = {
    "specks": blobs,
    "salt and pepper": lambda d: encode(specks(draw(d), 0.01)),
    "salt and pepper on white": lambda d: encode(specks(dark(d), 0.01)),
    "noise": lambda d: encode(noisy(grey(draw(d), 50, 200), 8)),
    "noise, light on dark": lambda d: encode(noisy(grey(draw(d), 200, 50), 8)),
    "photo": lambda d: encode(photo(draw(d, (1200, 900))), "JPEG", quality=80),
    "photo, thin pen": lambda d: encode(photo(draw(d, (900, 1200), pen=0.045)), "JPEG", quality=80),
    "photo, small digit": lambda d: encode(photo(draw(d, (1200, 900), size=0.2, at=(0.3, 0.6))), "JPEG", quality=80),
    "photo, strong shadow": lambda d: encode(photo(draw(d, (900, 900)), light=0.7), "JPEG", quality=80),
    "photo, small file": lambda d: encode(photo(draw(d, 240)), "JPEG", quality=60),
    "photo of a sheet on a table": lambda d: encode(on_table(photo(draw(d, (900, 1200)))), "JPEG", quality=80),
}

ALL = FILES | SHEETS | SIZES | DIRT


@cache
def sketch_of(name: str, digit: int) -> np.ndarray:
    """What the backend keeps of it."""
    return read(ALL[name](digit))
