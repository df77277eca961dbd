"""Which pictures a model has never learned from, so that they may judge it.

MNIST's training pictures have a fixed order (training/data.py), and a model holds out the first ones: `HeldOut.mnist`
says how many. What people drew is held out by visit where that is known, else by picture: so all sketches of a visit,
and all copies of a sketch, are either held out or learned from. Before format 1 of the card, the hash of a sketch's id
decided.
"""

import hashlib
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt

SHARE = 0.2  # of the sketches are never learned from


def fraction(key: bytes) -> float:
    """The key's hash as a number from 0 to 1, evenly distributed. It must never change."""
    return int.from_bytes(hashlib.sha256(key).digest()[:8]) / 2**64


class Origin(NamedTuple):
    """What decides whether a model may have learned from a sketch."""

    created_at: datetime
    by_id: float  # from 0 to 1; below SHARE it is held out
    by_visit: float


def origin(submission_id: UUID, created_at: datetime, visit: UUID | None, picture: np.ndarray) -> Origin:
    """`picture`: (28, 28) float32 from 0 to 1, as imaging.prepare made it."""
    seen = np.round(picture * 255).astype(np.uint8)
    return Origin(created_at, fraction(submission_id.bytes), fraction(visit.bytes if visit else seen.tobytes()))


class HeldOut(BaseModel):
    """What a model, and those whose weights it started from, never learned from."""

    model_config = ConfigDict(frozen=True)

    mnist: NonNegativeInt | None = Field(
        None, description="how many of MNIST's training pictures, from the first; null: not known", examples=[2000]
    )
    until_by_visit: AwareDatetime | None = Field(
        None, description="the newest sketch that may have been learned from; null: it has learned from none"
    )
    until_by_id: AwareDatetime | None = Field(None, description="the same, where sketches went by their ids")

    def covers(self, sketch: Origin) -> bool:
        """Whether the model has certainly never learned from it."""
        return not any(
            until and sketch.created_at <= until and share >= SHARE
            for until, share in ((self.until_by_id, sketch.by_id), (self.until_by_visit, sketch.by_visit))
        )
