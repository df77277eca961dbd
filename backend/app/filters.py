"""The filters that the list of submissions and the export share."""

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.schemas.submissions import Digit, Label, Status

Model = Annotated[str, Field(pattern="^[ -~]*$")]


async def _filters(
    digit: Annotated[Label | SkipJsonSchema[None], Query(description="what was meant")] = None,
    predicted: Annotated[Digit | SkipJsonSchema[None], Query(description="what was read")] = None,
    correct: Annotated[bool | SkipJsonSchema[None], Query(description="whether that is the same")] = None,
    unsure: Annotated[
        bool | SkipJsonSchema[None], Query(description="whether the model would rather not have answered")
    ] = None,
    status: Status | SkipJsonSchema[None] = None,
    rejected: Annotated[
        bool | SkipJsonSchema[None], Query(description="`false`: without rejected ones, as in the statistics")
    ] = None,
    model: Annotated[Model | SkipJsonSchema[None], Query(description="version of the model that read it")] = None,
    contested: Annotated[
        bool | SkipJsonSchema[None],
        Query(description="`true`: those that decide the race which is on: the two models read them differently"),
    ] = None,
) -> dict[str, Any]:
    return {
        "digit": digit.digit if digit else None,
        "not_a_digit": True if digit is Label.NOT_A_DIGIT else None,
        "predicted": predicted,
        "correct": correct,
        "unsure": unsure,
        "status": status,
        "rejected": rejected,
        "model": model,
        "contested": contested or None,
        "uncontested": True if contested is False else None,
    }


# by the names in store.conditions.CONDITIONS; None does not filter
Filters = Annotated[dict[str, Any], Depends(_filters)]
