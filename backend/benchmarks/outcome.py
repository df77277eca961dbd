"""What happened in a run of crowd.py."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import numpy as np

from app import imaging
from benchmarks.sketches import Sketch
from benchmarks.stack import Memory


class Reading(NamedTuple):
    start: float  # seconds since 1970
    seconds: float
    status: int  # 0: no answer
    through_page: bool
    model: bytes


class Sent(NamedTuple):
    label: str
    sketch: Sketch


class Tally:
    """What all visitors did and got."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.sent: dict[UUID, Sent] = {}
        self.stored: dict[UUID, str] = {}  # key → id, of each 201
        self.contradictions: list[str] = []  # a repeated request that got another id
        self.problems: Counter[str] = Counter()  # failed requests, by what was asked and status
        self.repeated = self.lost = 0
        self.deadline = float("inf")


@dataclass
class Outcome:
    visitors: int
    seconds: float
    tally: Tally
    memory: Memory
    attacks: list[dict] = field(default_factory=list)
    version: str = ""  # of the model that was promoted
    promoted: float = float("inf")  # when, in seconds since 1970
    restart: tuple[float, float] = (float("inf"), float("inf"))
    rows: dict[UUID, tuple[str, str, bytes]] = field(default_factory=dict)  # key → id, label, picture
    others: int = 0  # rows that no visitor sent
    logs: dict[str, str] = field(default_factory=dict)  # what backend and page had to say


def is_as_sent(sent: Sent, label: str, picture: bytes) -> bool:
    """Whether a row has its own label and its own picture."""
    return label == sent.label and np.array_equal(imaging.read(picture), imaging.read(sent.sketch.whole))
