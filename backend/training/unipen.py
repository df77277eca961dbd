"""Pen strokes from UNIPEN files, such as UCI's pendigits and UJI Pen Characters, drawn as a canvas draws them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from training.cli import Unusable
from training.hand import SHIFT

PENS = (8, 18, 28)  # pixels on a canvas of 280: a thin, a medium and a thick one
WRITER = re.compile(r"^\.COMMENT\s+\S+\s+(\d+)\s", re.MULTILINE)  # pendigits: digit, writer, milliseconds
DIGITS = set("0123456789")
SEGMENT = re.compile(r'"(.)"$')


class Sample(NamedTuple):
    """One written character."""

    label: str
    strokes: list[np.ndarray]  # each (points, 2) float: x, y, with y growing downwards
    writer: str = ""  # where the file tells, as pendigits does


def read_unipen(path: Path) -> list[Sample]:
    """The characters of a UNIPEN file (Guyon et al., 1994); segments without a label of one character are left out.

    Files say in a `.Y_AXIS UP` line, or in the name of pendigits, that y grows upwards. Raises Unusable where
    there is no character in the file.
    """
    text = path.read_text(errors="replace")
    up = "pendigits" in path.name or ".Y_AXIS UP" in text
    samples = []
    for segment in re.split(r"^\.SEGMENT", text, flags=re.MULTILINE)[1:]:
        head, *downs = re.split(r"^\.PEN_DOWN", segment, flags=re.MULTILINE)
        label = SEGMENT.search(head.splitlines()[0].strip())
        strokes = [points for down in downs if len(points := _points(down, -1 if up else 1))]
        if label and strokes:
            writer = WRITER.search(head)
            samples.append(Sample(label[1], strokes, writer[1] if writer else ""))
    if not samples:
        raise Unusable(f"{path} holds no labelled character: is it a UNIPEN file?")
    return samples


def draw_strokes(strokes: Sequence[np.ndarray], side: int = 280, pen: int = 18, share: float = 0.6) -> np.ndarray:
    """A sketch, (side, side) uint8: white ink on black, a round pen, the longer extent `share` of the canvas."""
    every = np.concatenate(strokes)
    low, high = every.min(0), every.max(0)
    scale = side * share / max((high - low).max(), 1e-6)
    offset = (side - (high - low) * scale) / 2
    canvas = np.zeros((side, side), np.uint8)
    for stroke in strokes:
        stroke = np.repeat(stroke, 2, 0) if len(stroke) == 1 else stroke  # a dot
        points = np.round(((stroke - low) * scale + offset) * 2**SHIFT).astype(np.int32)
        cv2.polylines(canvas, [points], False, 255, pen, cv2.LINE_AA, SHIFT)
    return canvas


def _points(down: str, y_sign: int) -> np.ndarray:
    """(n, 2) float: the lines of numbers up to where the pen is lifted."""
    rows = [row for line in down.split(".PEN_UP")[0].splitlines() if len(row := line.split()) >= 2]
    numbers = [(float(x), y_sign * float(y)) for x, y, *_ in rows if _is_number(x) and _is_number(y)]
    return np.array(numbers, dtype=float).reshape(-1, 2)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", text))
