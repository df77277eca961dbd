"""Sketches by the thousand, prepared as the model sees them: of digits, of other things, and by real people.

As a program (strokes.py starts it) it reads chunks as JSON and writes their pixels: `python -m training.drawings`.
Knows nothing of torch.
"""

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from app import imaging
from app.errors import BlankImage
from training import scribbles
from training.hand import CANVAS, HANDS, REALS, Hand, draw, rewrite, write
from training.skeletons import STYLES
from training.unipen import Sample
from training.writers import read_strokes, split_writers


class Chunk(NamedTuple):
    """This many of the drawings that a seed makes, from `start` on."""

    kind: Literal["digit", "other", "real"]
    count: int
    seed: int
    start: int
    folder: str = ""  # of real people's strokes


def make_pictures(chunk: Chunk) -> np.ndarray:
    """(count, 28, 28) uint8, white on black, always the same; of digits the n-th is of digit n modulo 10."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([chunk.seed, chunk.start, ("other", "digit", "real").index(chunk.kind)])
    images = [_prepare(chunk, (chunk.start + i) % 10, rng) for i in range(chunk.count)]
    return np.array(images, np.uint8).reshape(-1, imaging.SIDE, imaging.SIDE)


def _prepare(chunk: Chunk, number: int, rng: np.random.Generator) -> np.ndarray:
    """(28, 28) uint8, white on black."""
    while True:
        try:
            return np.round(imaging.prepare(_sketch(chunk, number, rng)) * 255).astype(np.uint8)
        except BlankImage:  # a hairline of a pen, or a texture without any ink: another one
            continue


def _sketch(chunk: Chunk, number: int, rng: np.random.Generator) -> np.ndarray:
    if chunk.kind == "digit":
        return digit_sketch(number, rng)
    if chunk.kind == "other":
        return other_sketch(number, rng)
    return real_sketch(number, rng, Path(chunk.folder))


def digit_sketch(digit: int, rng: np.random.Generator, hand: Hand | None = None) -> np.ndarray:
    """A sketch of this digit in some style, (CANVAS, CANVAS) uint8, white on black."""
    hand = hand or pick(HANDS, rng)
    return draw(write(pick(STYLES[digit], rng)(rng), rng, hand), rng, hand)


def other_sketch(kind: int, rng: np.random.Generator) -> np.ndarray:
    """A sketch of something else, (CANVAS, CANVAS) uint8, white on black; every tenth is a texture."""
    if kind == 0:
        return scribbles.texture(rng, CANVAS)
    hand = pick(HANDS, rng)
    return draw(write(pick(scribbles.MAKERS, rng)(rng), rng, hand), rng, hand)


def real_sketch(digit: int, rng: np.random.Generator, folder: Path) -> np.ndarray:
    """A sketch of this digit after one of the people who are learned from, (CANVAS, CANVAS) uint8, white on black."""
    samples, weights = _learned_from(folder)[digit]
    hand = pick(REALS, rng)
    return draw(rewrite(samples[rng.choice(len(samples), p=weights)].strokes, rng, hand), rng, hand)


@cache
def _learned_from(folder: Path) -> list[tuple[list[Sample], np.ndarray]]:
    """Of each digit the samples to learn from, and how often each is taken: no writer counts by their diligence alone.

    A writer of 250 digits is taken three and a half times as often as one of 20 (the square root), not twelve times.
    """
    learned_from, _ = split_writers(read_strokes(folder))
    found = []
    for digit in "0123456789":
        samples = [sample for sample in learned_from if sample.label == digit]
        writers = [sample.writer for sample in samples]
        weights = np.array([writers.count(writer) ** -0.5 for writer in writers])
        found.append((samples, weights / weights.sum()))
    return found


def pick(weighted: Sequence[tuple[Any, float]], rng: np.random.Generator) -> Any:
    """One of them, as often as its weight says."""
    weights = np.array([weight for _, weight in weighted])
    return weighted[rng.choice(len(weighted), p=weights / weights.sum())][0]


if __name__ == "__main__":
    for chunk in json.load(sys.stdin):
        sys.stdout.buffer.write(make_pictures(Chunk(*chunk)).tobytes())
