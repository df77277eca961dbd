"""Digits as strokes on a square of side 1, for the mouse and for pictures."""

import io

from PIL import Image, ImageDraw

STROKES = {
    3: [[(0.32, 0.22), (0.5, 0.15), (0.66, 0.28), (0.5, 0.46), (0.68, 0.64), (0.5, 0.82), (0.3, 0.74)]],
    4: [[(0.5, 0.15), (0.25, 0.6), (0.75, 0.6)], [(0.58, 0.38), (0.58, 0.85)]],
    7: [[(0.28, 0.2), (0.72, 0.2), (0.45, 0.84)]],
}


def picture(digit: int, kind: str = "PNG", side: int = 280) -> bytes:
    """The digit in black on white, as a file of this kind."""
    image = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(image)
    for stroke in STROKES[digit]:
        pen.line([(x * side, y * side) for x, y in stroke], "black", side // 14, joint="curve")
    return _file(image, kind)


def blank() -> bytes:
    return _file(Image.new("RGB", (280, 280), "white"), "PNG")


def _file(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
