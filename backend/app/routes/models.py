"""The models, which of them serves, and since when."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query

from app import store
from app.admin import WITH_OR_WITHOUT_TOKEN, AdminOnly, IsAdmin, SeesAll
from app.body import described, json_body
from app.client import CurrentClient
from app.database import Connection, Pool, connect_for, count_for_everybody
from app.errors import (
    BODY_ERRORS,
    DATABASE_ERRORS,
    AdminDisabled,
    AlreadyServing,
    Busy,
    DatabaseUnavailable,
    ForeignOrigin,
    GateNotPassed,
    InvalidRequest,
    ModelNotFound,
    ModelRefused,
    TokenMissing,
    WrongToken,
    responses,
)
from app.registry import CurrentRegistry, Serving
from app.schemas.models import Learned, Model, NewPromotion, Promotion, ServingModel

router = APIRouter(tags=["models"])

Version = Annotated[str, Path(pattern="^[ -~]+$", description="version of the model that shall serve")]


@router.get("/models", openapi_extra=WITH_OR_WITHOUT_TOKEN, responses=responses(WrongToken, AdminDisabled, Busy))
async def list_models(
    serving: Serving, pool: Pool, client: CurrentClient, is_admin: IsAdmin, sees_all: SeesAll
) -> list[Model]:
    """Every model, newest first: its card, the gate's verdict, its accuracy on the sketches that it read, and its race
    with the serving model, if it was in one.

    Without a database, only the model that serves. Where GALLERY is `approved`, only approved sketches count, unless
    the admin token is sent. Without it, those of the last seconds may be missing.
    """
    try:
        count = partial(store.statistics.count_by_model, sees_all=sees_all)
        judged = await count_for_everybody(pool, ("models", sees_all), count, latest=is_admin)
        async with connect_for(pool, client) as connection:
            models = await store.models.list_all(connection, serving.version)
            races = {race.challenger: race for race in await store.races.list_latest(connection)}
    except DatabaseUnavailable:
        judged, models, races = [], [], {}
    sketches = {each.model: each for each in judged}
    for model in models:
        model.race = races.get(model.version)
        if own := sketches.get(model.version):
            model.submissions, model.accuracy = own.submissions, own.accuracy
    if not any(model.serving for model in models):  # it is not in the database yet
        alone = Model(
            version=serving.version, created_at=None, serving=True, sha256=serving.card.sha256, card=serving.card
        )
        models.insert(0, alone)
    return models


@router.get("/models/serving")
async def find_serving(serving: Serving, pool: Pool, client: CurrentClient) -> ServingModel:
    """The model that serves here, and what it has learned from people's sketches."""
    sketches = (serving.card.sketches or {}).get("train")
    if sketches is None:
        return ServingModel(version=serving.version, learned=None)
    try:
        async with connect_for(pool, client) as connection:
            gain = await store.models.find_gain(connection, serving.version)
    except (DatabaseUnavailable, Busy):
        gain = None
    points = None if gain is None else round(100 * gain, 2)
    return ServingModel(version=serving.version, learned=Learned(sketches=sketches, points=points))


@router.get("/promotions", responses=responses(InvalidRequest, *DATABASE_ERRORS))
async def list_promotions(connection: Connection, limit: Annotated[int, Query(ge=1, le=100)] = 50) -> list[Promotion]:
    """Which model was made to serve when, in place of which, and why; newest first."""
    return await store.promotions.list_latest(connection, limit)


@router.post(
    "/models/{version:path}/promote",  # path: a version may contain a slash
    status_code=201,
    dependencies=[AdminOnly],
    openapi_extra=described(NewPromotion, required=False),
    responses=responses(
        TokenMissing,
        WrongToken,
        AdminDisabled,
        ForeignOrigin,
        ModelNotFound,
        AlreadyServing,
        GateNotPassed,
        *BODY_ERRORS,
        ModelRefused,
        InvalidRequest,
        *DATABASE_ERRORS,
    ),
)
async def promote(
    version: Version,
    registry: CurrentRegistry,
    pool: Pool,
    wanted: Annotated[NewPromotion, json_body(NewPromotion, default=NewPromotion())],
) -> Promotion:
    """Make a model serve: in this process at once, in all others within 5 seconds, without losing a request.

    It must have passed the gate against the model that serves now, unless it served before (a rollback) or `overrule`
    is set.
    """
    return await registry.promote(pool, version, wanted.reason, wanted.overrule)
