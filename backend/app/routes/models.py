"""The models' cards."""

from fastapi import APIRouter

from app.registry import Serving
from app.schemas import Model

router = APIRouter(tags=["models"])


@router.get("/models")
async def list_models(serving: Serving) -> list[Model]:
    """The model that serves, with its card: architecture, data, hyperparameters, metrics."""
    return [Model(version=serving.version, serving=True, sha256=serving.card["sha256"], card=serving.card)]
