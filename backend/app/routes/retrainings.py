"""Retrainings: requested here, run by trainers."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app import queue, store
from app.admin import AdminOnly
from app.database import Connection
from app.errors import (
    DATABASE_ERRORS,
    AdminDisabled,
    AlreadyRetraining,
    ForeignOrigin,
    InvalidRequest,
    NothingToLearn,
    RetrainingEnded,
    RetrainingNotFound,
    TokenMissing,
    WrongToken,
    responses,
)
from app.schemas.retrainings import Retraining, Retrainings

router = APIRouter(tags=["models"], dependencies=[AdminOnly])

REFUSALS = (TokenMissing, WrongToken, AdminDisabled, ForeignOrigin, *DATABASE_ERRORS)
Id = Annotated[int, Path(ge=1, le=2**63 - 1, description="a retraining's id")]


@router.get("/retrainings", responses=responses(*REFUSALS, InvalidRequest))
async def list_retrainings(connection: Connection, limit: Annotated[int, Query(ge=1, le=20)] = 5) -> Retrainings:
    """The latest retrainings, newest first, with progress, log and result.

    Also the number of running trainers: without one, a retraining waits.
    """
    return Retrainings(
        trainers=await store.retrainings.count_trainers(connection, queue.LOST_S),
        items=await store.retrainings.list_latest(connection, limit, queue.LOST_S),
    )


@router.post("/retrainings", status_code=201, responses=responses(*REFUSALS, AlreadyRetraining, NothingToLearn))
async def retrain(connection: Connection) -> Retraining:
    """Request a retraining on all approved sketches. The gate judges the candidate, which does not serve yet."""
    return await queue.ask(connection)


@router.post(
    "/retrainings/{retraining_id}/cancel",
    responses=responses(*REFUSALS, RetrainingNotFound, RetrainingEnded, InvalidRequest),
)
async def cancel(retraining_id: Id, connection: Connection) -> Retraining:
    """Cancel a retraining that waits or runs. One that runs stops within seconds."""
    return await queue.cancel(connection, retraining_id)
