"""The parts of the backend's responses that the pages use; backend/app/schemas/ has them all."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

Status = Literal["pending", "approved", "rejected"]


class Submission(BaseModel):
    id: UUID
    created_at: datetime
    prediction: int
    confidence: float
    unsure: bool
    model: str
    true_label: int | None  # none: not a digit
    correct: bool | None
    status: Status
    contested: bool = False  # it decides the race which is on: what was read is not shown, so that it influences nobody


class SubmissionCount(BaseModel):
    submissions: int


class SubmissionPage(BaseModel):
    items: list[Submission]
    next_cursor: str | None


class Changed(BaseModel):
    changed: int  # without those that were deleted meanwhile


class Deleted(BaseModel):
    deleted: int


class DigitStatistics(BaseModel):
    digit: int
    submissions: int
    correct: int
    false_alarms: int  # labelled as no digit, but confidently read as this one
    recall: float | None


class ConfidenceBin(BaseModel):
    low: float
    high: float
    submissions: int
    mean_confidence: float | None
    accuracy: float | None


class DayModelStatistics(BaseModel):
    day: date
    model: str
    submissions: int
    accuracy: float | None


class ModelStatistics(BaseModel):
    model: str
    submissions: int
    accuracy: float | None


class Answers(BaseModel):
    """Of all logged predictions, labelled or not."""

    total: int
    unsure: int
    unsure_share: float | None


class DayAnswers(BaseModel):
    day: date
    answers: int
    unsure: int


class Drift(BaseModel):
    psi: float | None  # population stability index; none: too early to tell
    sentence: str
    answers: int
    reference: int


class Statistics(BaseModel):
    total: int
    digits: int
    not_digits: int
    false_alarms: int
    correct: int
    accuracy: float | None
    unsure: int
    per_digit: list[DigitStatistics]
    confusion_matrix: list[list[int]]  # 10×10: row is the label, column the prediction
    confidence_bins: list[ConfidenceBin]
    by_model: list[ModelStatistics]
    by_day_and_model: list[DayModelStatistics]  # UTC days, oldest first
    answers: Answers
    answers_by_day: list[DayAnswers]  # UTC days, oldest first
    drift: Drift


class LeftOut(BaseModel):
    file: str
    reason: str


class Imported(BaseModel):
    """What an archive held, and what of it was stored, or would be."""

    imported: int
    skipped: int  # already stored
    by_label: dict[str, int]  # "0" to "9" and "none"
    left_out: int  # files
    examples: list[LeftOut]  # the first of them


class Verdict(BaseModel):
    """The gate's decision on a candidate."""

    passed: bool
    champion: str | None = None  # that it was compared with; none: by an older release
    outcome: str | None = None  # "passed", "undecided" or "refused"; none: by an older release
    reasons: list[str]
    figures: dict[str, Any]


class Race(BaseModel):
    """Between a candidate and the serving model, both of which read what people draw."""

    challenger: str
    champion: str
    started_at: datetime
    ended_at: datetime | None  # none: still running
    outcome: Literal["won", "lost", "given up", "void"] | None  # none: still running
    read: int
    won: int  # sketches that only the challenger read correctly
    lost: int  # sketches that only the champion read correctly
    to_review: int
    evidence: float  # that the challenger is better
    evidence_against: float


class Model(BaseModel):
    version: str
    created_at: datetime | None  # none: not in the database yet
    serving: bool
    card: dict[str, Any]
    verdict: Verdict | None  # none: never judged
    submissions: int  # that this model read itself
    accuracy: float | None
    promoted_at: datetime | None
    race: Race | None = None  # its latest


class Promotion(BaseModel):
    id: int
    created_at: datetime
    model: str
    previous: str
    overruled: bool
    reason: str


class Epoch(BaseModel):
    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


class Retraining(BaseModel):
    id: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    state: Literal["waiting", "running", "cancelling", "lost", "done", "failed", "cancelled"]
    automatic: bool
    taken_up_again: int
    sketches: int
    stage: str
    epochs: int | None  # none: not known yet
    curve: list[Epoch]
    log: str
    error: str | None
    model: str | None

    @property
    def has_ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class Retrainings(BaseModel):
    trainers: int
    items: list[Retraining]  # newest first
