"""Labelled pictures from wherever they are: MNIST's test set, a folder, UNIPEN files; prepared as the server does."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from app import imaging
from app.errors import AppError
from training.cli import Unusable
from training.data import NO_DIGIT, Digits, load_mnist
from training.unipen import DIGITS, PENS, Sample, draw_strokes, read_unipen

LIKE_DIGITS = set("oOQDlIijzZsSbBgqGyA")  # letters that someone may well read as a digit
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}


def from_mnist(directory: Path) -> Digits:
    """MNIST's 10,000 test pictures."""
    return load_mnist(directory, train=False)


def from_folder(folder: Path) -> Digits:
    """Pictures in subfolders named 0 to 9, or named after their digit (7.png, 7-anna.png, seven is not understood).

    Pictures that cannot be read are named and left out. Raises Unusable where none is left.
    """
    pictures, labels = [], []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        label = path.parent.name if path.parent.name.isdigit() else path.stem[:1]
        if label not in DIGITS:
            print(f"{path}: left out, its name does not say which digit it is")
            continue
        try:
            pictures.append(imaging.prepare(imaging.read(path.read_bytes())))
            labels.append(int(label))
        except AppError as e:
            print(f"{path}: left out. {e}")
    if not pictures:
        raise Unusable(f"{folder} holds no picture of a digit")
    return _digits(pictures, labels)


def from_unipen(path: Path, letters: bool = False) -> Digits:
    """The digits of a UNIPEN file, each drawn with a thin, a medium and a thick pen.

    With `letters` also those that nobody would read as a digit, labelled NO_DIGIT. Raises Unusable where there is none.
    """
    samples = [s for s in read_unipen(path) if s.label in DIGITS or (letters and _is_unlike_digits(s.label))]
    if not samples:
        raise Unusable(f"{path} holds no picture of a digit")
    return from_samples(samples)


def from_samples(samples: Sequence[Sample]) -> Digits:
    """Each drawn with a thin, a medium and a thick pen, one after the other."""
    pictures = [imaging.prepare(draw_strokes(sample.strokes, pen=pen)) for sample in samples for pen in PENS]
    labels = [int(s.label) if s.label in DIGITS else NO_DIGIT for s in samples for _ in PENS]
    return _digits(pictures, labels)


def _is_unlike_digits(label: str) -> bool:
    return label.isalpha() and label not in LIKE_DIGITS


def _digits(pictures: list[np.ndarray], labels: list[int]) -> Digits:
    images = np.round(np.stack(pictures) * 255).astype(np.uint8)
    return Digits(torch.from_numpy(images), torch.tensor(labels))
