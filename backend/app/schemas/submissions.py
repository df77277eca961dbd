"""Submissions, and changes of them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.schemas.predictions import PROBABILITIES

Status = Literal["pending", "approved", "rejected"]


Order = Literal["newest", "mislabelled"]


class Label(StrEnum):
    """What a person says was drawn."""

    ZERO, ONE, TWO, THREE, FOUR = "0", "1", "2", "3", "4"
    FIVE, SIX, SEVEN, EIGHT, NINE = "5", "6", "7", "8", "9"
    NOT_A_DIGIT = "none"

    @property
    def digit(self) -> int | None:
        return None if self is Label.NOT_A_DIGIT else int(self.value)


Digit = Annotated[int, Field(ge=0, le=9)]


LEFT_OUT: Any = None  # the default of fields that may be left out, but may not be null


def _as_text(label: Any) -> Any:
    """A digit may also be sent as a number; in JSON, 7.0 equals 7."""
    if type(label) is float and label.is_integer():
        label = int(label)
    return str(label) if type(label) is int else label


def _optional(schema: dict[str, Any]) -> None:
    """Says that a field may be left out, not that it may be null."""
    schema.pop("default", None)


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
    # only in the database and in exports: in responses it would show everybody what one visitor drew
    visit: UUID | None = Field(default=None, exclude=True)


class Change(BaseModel):
    """A new label, a new status, or both."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"anyOf": [{"required": ["true_label"]}, {"required": ["status"]}]}
    )

    # no null as input: an answer's `"true_label": null` is "not a digit", which is "none" here
    true_label: Annotated[Label, BeforeValidator(_as_text, json_schema_input_type=Label | Digit)] = Field(
        default=LEFT_OUT,
        description="0 to 9, or `none` for something else",
        examples=["7"],
        json_schema_extra=_optional,
    )
    status: Status = Field(default=LEFT_OUT, examples=["approved"], json_schema_extra=_optional)

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


class SubmissionCount(BaseModel):
    submissions: int = Field(examples=[122])


class ListedSubmission(Submission):
    contested: bool = Field(
        default=False,
        description="whether it decides the race which is on: whoever reviews it should not see what was read",
    )


class SubmissionPage(BaseModel):
    """Submissions in the order that was asked for."""

    items: list[ListedSubmission]
    next_cursor: str | None = Field(
        description="pass it as `cursor` for the next page; null on the last one",
        examples=["MjAyNi0wMy0wMVQ…"],
    )


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
