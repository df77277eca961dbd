"""Which submissions are meant: the filters that the list and the export share."""

from typing import Annotated, Any

from fastapi import Depends, Query

from app.schemas import Label, Status


async def _filters(
    digit: Annotated[Label | None, Query(description="what was meant")] = None,
    predicted: Annotated[int | None, Query(ge=0, le=9, description="what was read")] = None,
    correct: Annotated[bool | None, Query(description="whether that is the same")] = None,
    unsure: Annotated[bool | None, Query(description="whether the model would rather not have answered")] = None,
    status: Status | None = None,
    rejected: Annotated[bool | None, Query(description="`false`: without rejected ones, as in the statistics")] = None,
    model: Annotated[str | None, Query(pattern="^[ -~]*$", description="version of the model that read it")] = None,
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
    }


# names of store.CONDITIONS with their values; None does not filter
Filters = Annotated[dict[str, Any], Depends(_filters)]
