"""Small made-up data: the tests' own drawings in MNIST's form, and as MNIST's files."""

import struct
from pathlib import Path

import numpy as np
import torch

from app.imaging import prepare
from tests.drawings import draw
from training.data import Digits


def small_digits(count: int, seed: int) -> Digits:
    """`count` drawings, as many of each digit, no two alike."""
    dice = np.random.default_rng(seed)
    images = [
        prepare(draw(n % 10, 56, size=0.75, pen=dice.uniform(0.07, 0.17), slant=dice.uniform(-10, 15)))
        for n in range(count)
    ]
    return Digits(torch.tensor(np.round(np.stack(images) * 255).astype(np.uint8)), torch.arange(count) % 10)


def write_idx(folder: Path, name: str, digits: Digits) -> None:
    """`name`-images-idx3-ubyte and its labels, in the format of LeCun's page."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = digits.images.numpy(), digits.labels.numpy().astype(np.uint8)
    (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, *images.shape) + images.tobytes())
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels.tobytes())


def write_mnist(directory: Path, train: int, test: int) -> None:
    """A folder that looks like MNIST's."""
    write_idx(directory / "MNIST" / "raw", "train", small_digits(train, seed=1))
    write_idx(directory / "MNIST" / "raw", "t10k", small_digits(test, seed=2))
