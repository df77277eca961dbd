"""What people drew and labelled, from the database, as pictures to learn from and to be measured by."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import psycopg
import torch
from tqdm import tqdm

from app import imaging, store
from app.errors import AppError
from app.schemas import Status
from training.data import NO_DIGIT, NOTHING, Digits

HELD_OUT = 0.2  # the share that no model ever learns from: candidates are judged by it
VALIDATION = 0.08  # the share that chooses the epoch


@dataclass(frozen=True)
class Sketches:
    """Prepared as the service does."""

    train: Digits
    validation: Digits
    held_out: Digits  # digits alone: of other things there is no right answer

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in ("train", "validation", "held_out")}


def lot(sketch: UUID) -> float:
    """From 0 to 1, evenly, the same for ever: the submission's id alone decides which part it belongs to."""
    return int.from_bytes(hashlib.sha256(sketch.bytes).digest()[:8]) / 2**64


async def load(connection: psycopg.AsyncConnection, statuses: Sequence[Status]) -> Sketches:
    """All submissions of these statuses, by their lots. What cannot be read is left out."""
    pictures: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "held_out": []}
    labels: dict[str, list[int]] = {part: [] for part in pictures}
    with tqdm(desc="reading sketches", unit="sketch", leave=False, disable=None) as bar:
        async for sketch in store.iterate_labelled_sketches(connection, statuses):
            bar.update()
            part = _part(lot(sketch.id))
            if part == "held_out" and sketch.true_label is None:
                continue
            try:
                picture = imaging.prepare(imaging.read(sketch.image))
            except AppError:
                continue
            pictures[part].append(np.round(picture * 255).astype(np.uint8))
            labels[part].append(NO_DIGIT if sketch.true_label is None else sketch.true_label)
    return Sketches(**{part: _digits(pictures[part], labels[part]) for part in pictures})


def _part(share: float) -> str:
    if share < HELD_OUT:
        return "held_out"
    return "validation" if share < HELD_OUT + VALIDATION else "train"


def _digits(pictures: list[np.ndarray], labels: list[int]) -> Digits:
    return Digits(torch.from_numpy(np.stack(pictures)), torch.tensor(labels)) if pictures else NOTHING


def repeat(digits: Digits, times: int) -> Digits:
    """Each picture so many times."""
    return digits.take(torch.arange(len(digits)).repeat(times))
