"""What people drew and labelled, from the database, as pictures to learn from and to be measured by."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import psycopg
import torch
from tqdm import tqdm

from app import imaging, store
from app.errors import AppError
from app.held_out import SHARE, HeldOut, Origin, origin
from app.schemas.submissions import Status
from training.data import NO_DIGIT, NOTHING, Digits

VALIDATION = 0.08  # the share that chooses the epoch


@dataclass(frozen=True)
class Sketches:
    """Prepared as the service does. A visit, where it is known, is in one part; else what looks the same."""

    train: Digits
    validation: Digits
    held_out: Digits  # digits alone: of other things there is no right answer; of copies of a sketch only the first
    ids: list[UUID]  # of those held out
    origins: list[Origin]  # of those held out
    newest: datetime | None  # of all of them; None where there is none

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in ("train", "validation", "held_out")}

    def new_to(self, *models: HeldOut) -> tuple[list[UUID], Digits]:
        """Of those held out the ones that none of the models ever learned from."""
        index = [n for n, each in enumerate(self.origins) if all(model.covers(each) for model in models)]
        return [self.ids[n] for n in index], self.held_out.take(torch.tensor(index, dtype=torch.int64))


async def load(
    connection: psycopg.AsyncConnection, statuses: Sequence[Status], only: Collection[UUID] | None = None
) -> Sketches:
    """All submissions of these statuses, or `only` some of them, split by app/held_out.py. Skips unreadable ones."""
    pictures: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "held_out": []}
    labels: dict[str, list[int]] = {part: [] for part in pictures}
    ids: list[UUID] = []
    origins: list[Origin] = []
    newest: datetime | None = None
    judged: set[bytes] = set()
    with tqdm(desc="reading sketches", unit="sketch", leave=False, disable=None) as bar:
        async for sketch in store.archive.iterate_labelled_sketches(connection, statuses):
            bar.update()
            if only is not None and sketch.id not in only:
                continue
            try:
                picture = imaging.prepare(imaging.read(sketch.image))
            except AppError:
                continue
            newest = max(newest or sketch.created_at, sketch.created_at)
            where_from = origin(sketch.id, sketch.created_at, sketch.visit, picture)
            part = _part(where_from.by_visit)
            if part == "held_out":
                if sketch.true_label is None or picture.tobytes() in judged:
                    continue
                judged.add(picture.tobytes())
                ids.append(sketch.id)
                origins.append(where_from)
            pictures[part].append(np.round(picture * 255).astype(np.uint8))
            labels[part].append(NO_DIGIT if sketch.true_label is None else sketch.true_label)
    return Sketches(
        **{part: _digits(pictures[part], labels[part]) for part in pictures}, ids=ids, origins=origins, newest=newest
    )


def _part(share: float) -> str:
    if share < SHARE:
        return "held_out"
    return "validation" if share < SHARE + VALIDATION else "train"


def _digits(pictures: list[np.ndarray], labels: list[int]) -> Digits:
    return Digits(torch.from_numpy(np.stack(pictures)), torch.tensor(labels)) if pictures else NOTHING


def repeat(digits: Digits, times: int) -> Digits:
    """Each picture this many times."""
    return digits.take(torch.arange(len(digits)).repeat(times))
