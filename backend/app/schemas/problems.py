"""Errors."""

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """An error."""

    error: str = Field(examples=["BlankImage"])
    detail: str = Field(examples=["There is no ink on the image."])
