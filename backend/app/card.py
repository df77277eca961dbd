"""A model's card and the gate's verdict on it: the contract between training and serving."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from app.held_out import HeldOut

FORMAT = 1  # of new cards; 0: cards without a format
ALWAYS = datetime.max.replace(tzinfo=UTC)

Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class UnusableCard(ValueError):
    """A card with a field that is missing or invalid; the message says which."""


class Card(BaseModel):
    """Everything that serving needs to know about a network, and what training reports about it.

    Fields that a newer release added are kept. A card of format 0 has no `held_out`: it is derived from other fields.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Annotated[int, Field(ge=0)] = 0
    version: str = Field(min_length=1, examples=["broad-1a2b3c4d"])
    sha256: Sha256 = Field(description="of the ONNX file", examples=["1a2b3c4d" * 8])
    architecture: str = Field(examples=["broad"])
    temperature: Number = Field(gt=0, description="logits are divided by it", examples=[1.06])
    unsure_below: Number = Field(ge=0, le=1, description="confidence", examples=[0.8])
    held_out: HeldOut = HeldOut()
    parent: str | None = Field(None, description="whose weights it started from", examples=["broad-5e6f7a8b"])
    created_at: AwareDatetime | None = None
    data: str = ""
    sketches: dict[str, int] | None = Field(
        None, description="of people's, by part", examples=[{"train": 720, "validation": 80, "held_out": 200}]
    )
    hyperparameters: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    weights: int | None = Field(None, examples=[425242])
    onnx_bytes: int | None = Field(None, examples=[481829])
    milliseconds: Number | None = Field(None, description="a picture, with one thread", examples=[0.07])

    @classmethod
    def of(cls, content: Any) -> Self:
        """From parsed JSON. Raises UnusableCard."""
        try:
            return cls.model_validate(content)
        except ValidationError as e:
            raise UnusableCard(_describe(e)) from e

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError and UnusableCard."""
        try:
            content = json.loads(path.read_text())
        except ValueError as e:  # also UnicodeDecodeError
            raise UnusableCard(f"it is not JSON: {e}") from e
        return cls.of(content)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_json(), indent=2, allow_nan=False) + "\n")

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)

    @model_validator(mode="before")
    @classmethod
    def _of_format_0(cls, content: Any) -> Any:
        """Adds `held_out`: `hyperparameters.held_out` pictures of MNIST, and sketches by their ids.

        This says nothing about the model that it started from; retrain.py looks that up.
        """
        if not isinstance(content, dict) or content.get("format") or "held_out" in content:
            return content
        hyperparameters = content.get("hyperparameters")
        mnist = hyperparameters.get("held_out") if isinstance(hyperparameters, dict) else None
        learned = (content.get("created_at") or ALWAYS) if content.get("sketches") else None
        return content | {"held_out": {"mnist": mnist, "until_by_id": learned}}


class Verdict(BaseModel):
    """The gate's decision on a candidate. It is valid only against the champion that it was compared with."""

    model_config = ConfigDict(extra="allow", frozen=True)

    passed: bool = Field(examples=[True])
    champion: str | None = Field(
        default=None,
        description="the version that it was compared with; null: a verdict of an older release",
        examples=["broad-5e6f7a8b"],
    )
    outcome: Literal["passed", "undecided", "refused"] | None = Field(
        default=None,
        description="`undecided`: it could not be told apart from the champion, and may race with it",
        examples=["passed"],
    )
    reasons: list[str] = Field(default=[], examples=[["Better on the sketches held out: 97.1% against 95.8%."]])
    figures: dict[str, Any] = Field(default={}, examples=[{"held_out": {"candidate": 0.971, "champion": 0.958}}])

    def holds_against(self, champion: str, parent: str | None) -> bool:
        """`parent`: the card's. Verdicts of older releases compared the candidate with its parent."""
        return self.passed and champion == (self.champion or parent)


def _describe(error: ValidationError) -> str:
    """In words, without the values that were found."""
    return "; ".join(
        ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"]])) for problem in error.errors()
    )
