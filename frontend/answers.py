"""What the backend answers, as far as the pages use it; backend/app/schemas.py has it all."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class Prediction(BaseModel):
    digit: int
    confidence: float
    unsure: bool
    probabilities: list[float]  # of the digits 0 to 9
    preview: str | None = None  # data URL of the 28×28 picture that the model saw


class Explanation(Prediction):
    relevance: list[list[float]]  # 28×28, from −1 to 1


class Submission(BaseModel):
    id: UUID
    created_at: datetime
    prediction: int
    confidence: float
    true_label: int | None  # none: not a digit
    correct: bool | None


class SubmissionPage(BaseModel):
    items: list[Submission]
    next_cursor: str | None


class DigitStatistics(BaseModel):
    digit: int
    submissions: int
    correct: int
    recall: float | None


class ConfidenceBin(BaseModel):
    low: float
    high: float
    submissions: int
    mean_confidence: float | None
    accuracy: float | None


class Statistics(BaseModel):
    total: int
    digits: int
    not_digits: int
    correct: int
    accuracy: float | None
    unsure: int
    per_digit: list[DigitStatistics]
    confusion_matrix: list[list[int]]  # 10×10: row is the label, column the prediction
    confidence_bins: list[ConfidenceBin]
