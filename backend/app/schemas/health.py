"""The state of the service."""

from typing import Literal

from pydantic import BaseModel, Field


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
