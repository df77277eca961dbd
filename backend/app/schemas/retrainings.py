"""Retrainings."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Epoch(BaseModel):
    """Once through the pictures."""

    epoch: int = Field(examples=[1])
    train_loss: float = Field(examples=[0.041])
    validation_loss: float = Field(examples=[0.021])
    validation_accuracy: float = Field(description="of the pictures kept aside to choose the epoch", examples=[0.994])
    seconds: float = Field(examples=[41.5])


class Retraining(BaseModel):
    """A model that learns from what people drew, or did."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[17])
    created_at: datetime
    started_at: datetime | None = Field(description="null: no trainer has taken it up yet")
    ended_at: datetime | None
    state: Literal["waiting", "running", "cancelling", "lost", "done", "failed", "cancelled"] = Field(
        description="`lost`: its trainer gives no sign of life, and another takes it up within a minute",
        examples=["running"],
    )
    automatic: bool = Field(description="whether it came due by itself, as RETRAIN_AFTER says", examples=[False])
    taken_up_again: int = Field(description="how often a trainer left it to another", examples=[0])
    sketches: int = Field(description="approved ones, when it was requested and then when it began", examples=[1240])
    stage: str = Field(description="what the trainer does now", examples=["learning"])
    epochs: int | None = Field(description="how many there will be; null: not known yet", examples=[6])
    curve: list[Epoch] = Field(description="the epochs that are finished")
    log: str = Field(description="the last lines of what the trainer said", examples=["epoch 3: 99.4%"])
    error: str | None = Field(description="why it failed", examples=[None])
    model: str | None = Field(description="version of the candidate that came of it", examples=["broad-1a2b3c4d"])


class Retrainings(BaseModel):
    trainers: int = Field(description="how many run", examples=[1])
    items: list[Retraining]
