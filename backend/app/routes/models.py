"""The models, which of them serves, and since when."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app import store
from app.admin import AdminOnly
from app.database import Connection, Pool, connect
from app.errors import (
    AdminDisabled,
    AlreadyServing,
    DatabaseUnavailable,
    GateNotPassed,
    InvalidRequest,
    ModelNotFound,
    ModelRefused,
    TokenMissing,
    WrongToken,
    responses,
)
from app.registry import CurrentRegistry, Serving
from app.schemas import Model, NewPromotion, Promotion

router = APIRouter(tags=["models"])

Version = Annotated[str, Path(pattern="^[ -~]+$", description="version of the model that shall serve")]


@router.get("/models")
async def list_models(serving: Serving, pool: Pool) -> list[Model]:
    """Every model, newest first: its card, the gate's verdict, and how it did on the sketches that it judged itself.

    Without a database the one that serves, alone.
    """
    try:
        async with connect(pool) as connection:
            models = await store.list_models(connection, serving.version)
    except DatabaseUnavailable:
        models = []
    if not any(model.serving for model in models):  # the database has not come yet
        alone = Model(
            version=serving.version, created_at=None, serving=True, sha256=serving.card["sha256"], card=serving.card
        )
        models.insert(0, alone)
    return models


@router.get("/promotions", responses=responses(InvalidRequest, DatabaseUnavailable))
async def list_promotions(connection: Connection, limit: Annotated[int, Query(ge=1, le=100)] = 50) -> list[Promotion]:
    """Which model was made to serve when, in place of which, and why; newest first."""
    return await store.list_promotions(connection, limit)


@router.post(
    "/models/{version}/promote",
    status_code=201,
    dependencies=[AdminOnly],
    responses=responses(
        TokenMissing, WrongToken, AdminDisabled, ModelNotFound, AlreadyServing, GateNotPassed, ModelRefused,
        InvalidRequest, DatabaseUnavailable,
    ),
)  # fmt: skip
async def promote(
    version: Version, registry: CurrentRegistry, pool: Pool, wanted: NewPromotion | None = None
) -> Promotion:
    """Make a model serve: here at once, in every other backend within 5 seconds, without losing a request.

    It must have passed the gate, unless it served before (that is the rollback) or `overrule` is set.
    """
    wanted = wanted or NewPromotion()
    return await registry.promote(pool, version, wanted.reason, wanted.overrule)
