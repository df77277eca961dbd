"""Predictions and explanations."""

from pydantic import BaseModel, Field

PROBABILITIES = [0.0, 0.001, 0.004, 0.003, 0.0, 0.0, 0.0, 0.99, 0.0, 0.002]


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
