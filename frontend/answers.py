"""What the backend answers, as far as the pages use it; backend/app/schemas.py has it all."""

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


class SubmissionCount(BaseModel):
    submissions: int


class SubmissionPage(BaseModel):
    items: list[Submission]
    next_cursor: str | None


class DigitStatistics(BaseModel):
    digit: int
    submissions: int
    correct: int
    false_alarms: int  # no digits, yet read as this one, and not unsure
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
    """Of the log of answers, labelled or not."""

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
    skipped: int  # were there already
    by_label: dict[str, int]  # "0" to "9" and "none"
    left_out: int  # files
    examples: list[LeftOut]  # the first of them


class Verdict(BaseModel):
    """What the gate says of a candidate."""

    passed: bool
    reasons: list[str]
    figures: dict[str, Any]


class Model(BaseModel):
    version: str
    created_at: datetime | None  # none: not in the database yet
    serving: bool
    card: dict[str, Any]
    verdict: Verdict | None  # none: never judged
    submissions: int  # that it judged itself
    accuracy: float | None
    promoted_at: datetime | None


class Promotion(BaseModel):
    id: int
    created_at: datetime
    model: str
    previous: str
    overruled: bool
    reason: str
