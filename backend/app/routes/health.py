"""Health checks and metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from app import workers
from app.database import Pool
from app.limits import CurrentLimits
from app.registry import CurrentRegistry
from app.schemas.health import Live, Part, Ready
from app.watch import examine

router = APIRouter(tags=["health"])

NO_ROOM = "ok, but no more sketches are stored: there are as many as MAX_STORED_MB allows"


@router.get("/health/live")
async def live() -> Live:
    """The process is running and predicts, with or without a database."""
    return Live()


@router.get("/health/ready", responses={503: {"model": Ready, "description": "Some part is not ready"}})
async def ready(response: Response, registry: CurrentRegistry, pool: Pool, limits: CurrentLimits) -> Ready:
    """The state of each part."""
    database = await examine(pool)
    if database.ready and limits.storage_is_full:
        database.detail = NO_ROOM
    if not database.ready:
        response.status_code = 503
    return Ready(ready=database.ready, model=Part(ready=True, detail=registry.state), database=database)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Metrics of all workers for Prometheus."""
    return Response(generate_latest(workers.metrics(REGISTRY)), media_type=CONTENT_TYPE_LATEST)
