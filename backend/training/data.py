"""MNIST as tensors, with a validation split that never touches the test set."""

from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from training.cli import Unusable, one_line
from training.settings import BACKEND, Settings

NO_DIGIT = -1  # the label of what is not a digit
SPLIT_SEED = 0  # the split is the same in every run, whatever the run's own seed


class Digits(NamedTuple):
    """Pictures of digits and what they are."""

    images: Tensor  # (n, 28, 28) uint8, white ink on black
    labels: Tensor  # (n,) int64, 0 to 9, or NO_DIGIT

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> "Digits":
        return Digits(self.images[index], self.labels[index])

    def __add__(self, other: "Digits") -> "Digits":
        return Digits(torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels]))

    def to(self, device: torch.device) -> "Digits":
        return Digits(self.images.to(device), self.labels.to(device))


NOTHING = Digits(torch.empty(0, 28, 28, dtype=torch.uint8), torch.empty(0, dtype=torch.int64))


def mnist_directory() -> Path:
    """Where MNIST is, or is downloaded to: MNIST_DIR, relative to backend/."""
    return BACKEND / Settings().mnist_dir


def load_mnist(directory: Path, train: bool) -> Digits:
    """MNIST's 60,000 training or 10,000 test pictures (LeCun et al., 1998); downloads them if they are not there.

    Raises Unusable where that fails, or where the files are damaged.
    """
    from torchvision import datasets  # takes three seconds, which --help should not

    is_there = _is_there(directory)
    try:
        found = datasets.MNIST(directory, train=train, download=not is_there)
    except (
        OSError,
        RuntimeError,
        ValueError,
        AssertionError,
        HTTPException,
    ) as e:  # all torchvision's
        trouble = "is damaged or incomplete" if is_there else "is missing and cannot be downloaded"
        raise Unusable(f"MNIST in {directory} {trouble}: {one_line(e)}. MNIST_DIR names its folder.") from e
    return Digits(found.data, found.targets)


def split(digits: Digits, held_out: int) -> tuple[Digits, Digits]:
    """(the rest, `held_out` of them): the same ones every time. Raises Unusable where there would be no rest."""
    if held_out >= len(digits):
        raise Unusable(f"{held_out} of {len(digits)} pictures cannot be held out: none would be left to train on")
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(SPLIT_SEED))
    return digits.take(order[held_out:]), digits.take(order[:held_out])


def as_input(images: Tensor) -> Tensor:
    """(n, 28, 28) uint8 → (n, 1, 28, 28) float32 from 0 to 1, as every network here wants it."""
    return images.unsqueeze(1).float() / 255


def _is_there(directory: Path) -> bool:
    # torchvision's download wants to write to the folder even where the files are there, which a shared one forbids
    return (directory / "MNIST/raw/train-images-idx3-ubyte").exists()


def as_targets(labels: Tensor) -> Tensor:
    """(n,) labels → (n, 10) float32 probabilities: all ten alike where there is no digit."""
    targets = torch.zeros(len(labels), 10, device=labels.device)
    is_digit = labels != NO_DIGIT
    targets[is_digit, labels[is_digit]] = 1
    targets[~is_digit] = 0.1
    return targets
