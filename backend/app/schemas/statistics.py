"""Statistics."""

from datetime import date

from pydantic import BaseModel, Field


class DigitStatistics(BaseModel):
    digit: int = Field(examples=[7])
    submissions: int = Field(description="sketches that were meant as this digit", examples=[12])
    correct: int = Field(examples=[11])
    predicted: int = Field(description="sketches that were read as this digit", examples=[12])
    false_alarms: int = Field(
        description="sketches of no digit that were read as this one, and not unsure; counted nowhere else here",
        examples=[0],
    )
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
    model: str = Field(examples=["broad-1a2b3c4d"])
    submissions: int = Field(examples=[120])
    accuracy: float | None = Field(examples=[0.95])


class DayModelStatistics(BaseModel):
    day: date
    model: str = Field(examples=["broad-1a2b3c4d"])
    submissions: int = Field(examples=[20])
    accuracy: float | None = Field(examples=[0.95])


class Answers(BaseModel):
    """What `/predict` was asked, as far back as the log is kept."""

    total: int = Field(examples=[2000])
    unsure: int = Field(examples=[60])
    unsure_share: float | None = Field(description="unsure / total; null while there are none", examples=[0.03])


class DayAnswers(BaseModel):
    day: date
    answers: int = Field(examples=[200])
    unsure: int = Field(examples=[6])


class Drift(BaseModel):
    """Whether the model that serves is as sure of the latest sketches as it was of the first ones that it read."""

    psi: float | None = Field(
        description="population stability index of the confidence; null while there are too few sketches",
        examples=[0.04],
    )
    sentence: str = Field(description="what that means", examples=["No change: the model is as sure as at first."])
    answers: int = Field(description="how many of the latest are compared", examples=[500])
    reference: int = Field(description="with how many of the first ones", examples=[500])


class Statistics(BaseModel):
    """Figures over all submissions that were not rejected.

    Those labelled "not a digit" count in `total`, `not_digits`, `false_alarms` and `unsure` alone.
    """

    total: int = Field(examples=[122])
    digits: int = Field(description="labelled with a digit", examples=[120])
    not_digits: int = Field(examples=[2])
    false_alarms: int = Field(description="no digits, yet read as one, and not unsure", examples=[1])
    correct: int = Field(examples=[114])
    accuracy: float | None = Field(description="correct / digits; null while there are none", examples=[0.95])
    unsure: int = Field(examples=[5])
    per_digit: list[DigitStatistics]
    confusion_matrix: list[list[int]] = Field(description="10×10: row is the label, column the prediction")
    confidence_bins: list[ConfidenceBin]
    by_day: list[DayStatistics] = Field(description="UTC days, oldest first")
    by_model: list[ModelStatistics]
    by_day_and_model: list[DayModelStatistics] = Field(description="UTC days, oldest first")
    answers: Answers
    answers_by_day: list[DayAnswers] = Field(description="UTC days, oldest first")
    drift: Drift
