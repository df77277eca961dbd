"""What goes in and comes out, with the examples that /docs shows."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Status = Literal["pending", "approved", "rejected"]
Order = Literal["newest", "mislabelled"]

PROBABILITIES = [0.0, 0.001, 0.004, 0.003, 0.0, 0.0, 0.0, 0.99, 0.0, 0.002]


class Label(StrEnum):
    """What a person says was drawn."""

    ZERO, ONE, TWO, THREE, FOUR = "0", "1", "2", "3", "4"
    FIVE, SIX, SEVEN, EIGHT, NINE = "5", "6", "7", "8", "9"
    NOT_A_DIGIT = "none"

    @property
    def digit(self) -> int | None:
        return None if self is Label.NOT_A_DIGIT else int(self.value)


def _as_text(label: Any) -> Any:
    """A digit may be sent as a number, too."""
    return str(label) if type(label) is int else label


def _optional(schema: dict[str, Any]) -> None:
    """Says that a field may be left out, not that it may be null."""
    schema.pop("default", None)


class Prediction(BaseModel):
    """What the model reads, and how sure it is."""

    digit: int = Field(ge=0, le=9, examples=[7])
    confidence: float = Field(ge=0, le=1, description="calibrated probability of `digit`", examples=[0.99])
    unsure: bool = Field(description="whether the model would rather not answer", examples=[False])
    probabilities: list[float] = Field(
        min_length=10, max_length=10, description="of the digits 0 to 9", examples=[PROBABILITIES]
    )
    model: str = Field(description="version of the model that answered", examples=["broad-1a2b3c4d"])
    preview: str | None = Field(
        default=None,
        description="with `?preview=true`: the 28×28 picture that the model saw, as a PNG data URL",
        examples=["data:image/png;base64,iVBORw0KGgo…"],
    )


class Explanation(Prediction):
    """Which parts of the sketch spoke for the answer."""

    relevance: list[list[float]] = Field(
        description="28×28, row by row, from −1 to 1: positive where ink speaks for the answer (or for `?digit=`), "
        "negative where against it"
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
    model: str = Field(examples=["broad-1a2b3c4d"])
    true_label: int | None = Field(ge=0, le=9, description="null: not a digit", examples=[7])
    correct: bool | None = Field(description="null: not a digit", examples=[True])
    status: Status = Field(examples=["pending"])
    # in the database and in exports; left out of answers, where it would tell everybody what one visitor drew
    visit: UUID | None = Field(default=None, exclude=True)


class Change(BaseModel):
    """A new label, a new status, or both."""

    model_config = ConfigDict(extra="forbid")

    # no null: an answer's `"true_label": null` is "not a digit", which is "none" here
    true_label: Annotated[Label, BeforeValidator(_as_text)] = Field(
        default=None, description="0 to 9, or `none` for something else", examples=["7"], json_schema_extra=_optional
    )
    status: Status = Field(default=None, examples=["approved"], json_schema_extra=_optional)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.columns:
            raise ValueError("give a true_label, a status or both")
        return self

    @property
    def columns(self) -> dict[str, Any]:
        """What changes, as the database writes it."""
        given = self.model_dump(include=self.model_fields_set & {"true_label", "status"})
        return given | ({"true_label": self.true_label.digit} if "true_label" in given else {})


EXAMPLE_IDS = ["3fa85f64-5717-4562-b3fc-2c963f66afa6"]
Ids = Annotated[list[UUID], Field(min_length=1, max_length=200, examples=[EXAMPLE_IDS])]


class ChangeOfMany(Change):
    ids: Ids


class Deletion(BaseModel):
    ids: Ids


class Changed(BaseModel):
    changed: int = Field(description="how many of them were there", examples=[1])


class Deleted(BaseModel):
    deleted: int = Field(description="how many of them were there", examples=[1])


class LeftOut(BaseModel):
    """A file that is not imported."""

    file: str = Field(examples=["2/empty.png"])
    reason: str = Field(examples=["There is no ink on the image."])


class Imported(BaseModel):
    """What an archive held, and what of it was stored; with `dry_run`, what would be."""

    imported: int = Field(examples=[120])
    skipped: int = Field(description="those that were there already", examples=[2])
    by_label: dict[str, int] = Field(
        default={}, description="sketches in the archive by label, 0 to 9 or `none`", examples=[{"2": 70, "7": 52}]
    )
    left_out: int = Field(default=0, description="files of it that are not used", examples=[1])
    examples: list[LeftOut] = Field(default=[], description="the first of those, with the reason")


class SubmissionCount(BaseModel):
    submissions: int = Field(examples=[122])


class SubmissionPage(BaseModel):
    """Submissions in the order that was asked for."""

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


class Verdict(BaseModel):
    """What the gate says of a candidate."""

    model_config = ConfigDict(extra="allow")

    passed: bool = Field(examples=[True])
    reasons: list[str] = Field(default=[], examples=[["Better on the sketches held out: 97.1% against 95.8%."]])
    figures: dict[str, Any] = Field(default={}, examples=[{"held_out": {"candidate": 0.971, "champion": 0.958}}])


class Model(BaseModel):
    """A model, its card, what the gate says of it and how it did."""

    model_config = ConfigDict(from_attributes=True)

    version: str = Field(examples=["broad-1a2b3c4d"])
    created_at: datetime | None = Field(description="when it came to the database; null: it has not yet")
    serving: bool = Field(description="whether the process that answers serves it")
    sha256: str = Field(description="of the ONNX file", examples=["1a2b3c4d" * 8])
    card: dict[str, Any] = Field(
        description="architecture, data, hyperparameters, metrics, temperature, threshold",
        examples=[{"architecture": "broad", "temperature": 1.06, "metrics": {"mnist_test": {"accuracy": 0.997}}}],
    )
    verdict: Verdict | None = Field(default=None, description="null: the gate never judged it, as the one that ships")
    submissions: int = Field(default=0, description="sketches of digits that it judged, without rejected ones")
    accuracy: float | None = Field(default=None, description="its share of right answers on them", examples=[0.97])
    promoted_at: datetime | None = Field(default=None, description="the last time; null: never")


class NewPromotion(BaseModel):
    """Why a model shall serve."""

    reason: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$", examples=["Better on people's sketches"])
    overrule: bool = Field(default=False, description="promote it although the gate has not passed it")


class Promotion(BaseModel):
    """A model was made to serve."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[3])
    created_at: datetime
    model: str = Field(examples=["broad-1a2b3c4d"])
    previous: str = Field(description="which one served until then", examples=["broad-5e6f7a8b"])
    overruled: bool = Field(description="whether the gate had not passed it")
    reason: str = Field(examples=["Better on people's sketches"])


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
