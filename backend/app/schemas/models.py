"""Models, races and promotions."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from app.card import Card, Verdict
from app.evidence import wealth


class Race(BaseModel):
    """How a candidate that could not be told apart from the champion reads what people draw beside it.

    `won` and `lost` are all that tells them apart: approved digits that exactly one of them read right.
    """

    model_config = ConfigDict(from_attributes=True)

    challenger: str = Field(examples=["broad-1a2b3c4d"])
    champion: str = Field(description="which serves meanwhile", examples=["broad-5e6f7a8b"])
    started_at: datetime
    ended_at: datetime | None = Field(description="null: the race is on")
    outcome: Literal["won", "lost", "given up", "void"] | None = Field(
        description="`won`: the gate has passed it since; `void`: another model serves now; null: the race is on"
    )
    read: int = Field(description="sketches that both have read since the race began", examples=[1240])
    won: int = Field(description="that the challenger alone read right, the gate's included", examples=[14])
    lost: int = Field(description="that the champion alone read right, the gate's included", examples=[6])
    to_review: int = Field(description="pending sketches that they read differently", examples=[3])

    # mypy has no decorators of properties; pydantic's documentation ignores it in the same way
    @computed_field(  # type: ignore[prop-decorator]
        description="that the challenger is better; from 20 on it has won", examples=[2.9]
    )
    @property
    def evidence(self) -> float:
        return wealth(self.won, self.lost)

    @computed_field(  # type: ignore[prop-decorator]
        description="that the champion is better; from 20 on the challenger has lost", examples=[0.2]
    )
    @property
    def evidence_against(self) -> float:
        return wealth(self.lost, self.won)


class Model(BaseModel):
    """A model, its card, what the gate says of it and how it did."""

    model_config = ConfigDict(from_attributes=True)

    version: str = Field(examples=["broad-1a2b3c4d"])
    created_at: datetime | None = Field(description="when it came to the database; null: it has not yet")
    serving: bool = Field(description="whether the process that answers serves it")
    sha256: str = Field(description="of the ONNX file", examples=["1a2b3c4d" * 8])
    card: Card | dict[str, Any] = Field(
        union_mode="left_to_right",
        description="architecture, data, what was held out, hyperparameters, metrics, temperature, threshold; as it is "
        "stored where it cannot be used: such a model is not promoted",
        examples=[{"architecture": "broad", "temperature": 1.06, "metrics": {"mnist_test": {"accuracy": 0.997}}}],
    )
    verdict: Verdict | None = Field(default=None, description="null: the gate never judged it, as the one that ships")
    submissions: int = Field(default=0, description="sketches of digits that it judged, without rejected ones")
    accuracy: float | None = Field(default=None, description="its share of right answers on them", examples=[0.97])
    promoted_at: datetime | None = Field(default=None, description="the last time; null: never")
    race: Race | None = Field(default=None, description="its latest one; null: it was in none")


class Learned(BaseModel):
    """What retraining has taught a model."""

    sketches: int = Field(description="of people, from which it learned", examples=[1240])
    points: float | None = Field(
        description="how many percentage points more of people's sketches it reads right than the model before, by the "
        "gate's comparison; null where that is not known",
        examples=[0.6],
    )


class ServingModel(BaseModel):
    version: str = Field(examples=["broad-1a2b3c4d"])
    learned: Learned | None = Field(description="null: it does not come from retraining")


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
