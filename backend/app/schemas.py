"""What goes in and comes out, with the examples that /docs shows."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["pending", "approved", "rejected"]

PROBABILITIES = [0.0, 0.001, 0.004, 0.003, 0.0, 0.0, 0.0, 0.99, 0.0, 0.002]


class Label(StrEnum):
    """What a person says was drawn."""

    ZERO, ONE, TWO, THREE, FOUR = "0", "1", "2", "3", "4"
    FIVE, SIX, SEVEN, EIGHT, NINE = "5", "6", "7", "8", "9"
    NOT_A_DIGIT = "none"

    @property
    def digit(self) -> int | None:
        return None if self is Label.NOT_A_DIGIT else int(self.value)


class Prediction(BaseModel):
    """What the model reads, and how sure it is."""

    digit: int = Field(ge=0, le=9, examples=[7])
    confidence: float = Field(ge=0, le=1, description="calibrated probability of `digit`", examples=[0.99])
    unsure: bool = Field(description="whether the model would rather not answer", examples=[False])
    probabilities: list[float] = Field(
        min_length=10, max_length=10, description="of the digits 0 to 9", examples=[PROBABILITIES]
    )
    model: str = Field(description="version of the model that answered", examples=["compact-1a2b3c4d"])
    preview: str | None = Field(
        default=None,
        description="with `?preview=true`: the 28×28 picture that the model saw, as a PNG data URL",
        examples=["data:image/png;base64,iVBORw0KGgo…"],
    )


class Explanation(Prediction):
    """Which parts of the sketch spoke for the answer."""

    relevance: list[list[float]] = Field(
        description="28×28, row by row, from −1 to 1: positive where ink speaks for `digit`, negative where against it"
    )


class Submission(BaseModel):
    """A sketch that someone labelled."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime
    prediction: int = Field(ge=0, le=9, examples=[7])
    confidence: float = Field(ge=0, le=1, examples=[0.99])
    unsure: bool
    probabilities: list[float] = Field(examples=[PROBABILITIES])
    model: str = Field(examples=["compact-1a2b3c4d"])
    true_label: int | None = Field(ge=0, le=9, description="null: not a digit", examples=[7])
    correct: bool | None = Field(description="null: not a digit", examples=[True])
    status: Status = Field(examples=["pending"])


class SubmissionPage(BaseModel):
    """Submissions, newest first."""

    items: list[Submission]
    next_cursor: str | None = Field(
        description="pass it as `cursor` for the next page; null on the last one",
        examples=["MjAyNi0wMy0wMVQ…"],
    )


class DigitStatistics(BaseModel):
    digit: int = Field(examples=[7])
    submissions: int = Field(description="sketches that were meant as this digit", examples=[12])
    correct: int = Field(examples=[11])
    predicted: int = Field(description="sketches that were read as this digit", examples=[12])
    recall: float | None = Field(description="correct / submissions", examples=[0.917])
    precision: float | None = Field(description="correct / predicted", examples=[0.917])


class ConfidenceBin(BaseModel):
    low: float = Field(examples=[0.9])
    high: float = Field(examples=[1.0])
    submissions: int = Field(examples=[100])
    mean_confidence: float | None = Field(examples=[0.98])
    accuracy: float | None = Field(examples=[0.97])


class DayStatistics(BaseModel):
    day: date
    submissions: int = Field(examples=[20])
    accuracy: float | None = Field(examples=[0.95])


class ModelStatistics(BaseModel):
    model: str = Field(examples=["compact-1a2b3c4d"])
    submissions: int = Field(examples=[120])
    accuracy: float | None = Field(examples=[0.95])


class Statistics(BaseModel):
    """Figures over all submissions that were not rejected.

    Those labelled "not a digit" count in `total`, `not_digits` and `unsure` alone.
    """

    total: int = Field(examples=[122])
    digits: int = Field(description="labelled with a digit", examples=[120])
    not_digits: int = Field(examples=[2])
    correct: int = Field(examples=[114])
    accuracy: float | None = Field(description="correct / digits; null while there are none", examples=[0.95])
    unsure: int = Field(examples=[5])
    per_digit: list[DigitStatistics]
    confusion_matrix: list[list[int]] = Field(description="10×10: row is the label, column the prediction")
    confidence_bins: list[ConfidenceBin]
    by_day: list[DayStatistics] = Field(description="UTC days, oldest first")
    by_model: list[ModelStatistics]


class Model(BaseModel):
    """A model and its card."""

    version: str = Field(examples=["compact-1a2b3c4d"])
    serving: bool
    sha256: str = Field(description="of the ONNX file", examples=["1a2b3c4d" * 8])
    card: dict[str, Any] = Field(
        description="architecture, data, hyperparameters, metrics, temperature, threshold",
        examples=[{"architecture": "compact", "temperature": 0.9, "metrics": {"mnist_test": {"accuracy": 0.996}}}],
    )


class Live(BaseModel):
    status: Literal["ok"] = "ok"


class Part(BaseModel):
    ready: bool
    detail: str = Field(examples=["ok"])


class Ready(BaseModel):
    """The state of each part."""

    ready: bool
    model: Part
    database: Part


class Problem(BaseModel):
    """An error."""

    error: str = Field(examples=["BlankImage"])
    detail: str = Field(examples=["There is no ink on the image."])
