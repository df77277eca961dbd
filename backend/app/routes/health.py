"""How the service is, for health checks and Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.database import Pool
from app.registry import CurrentRegistry
from app.schemas import Live, Part, Ready
from app.watch import examine

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> Live:
    """The process answers; it predicts, with or without a database."""
    return Live()


@router.get("/health/ready", responses={503: {"model": Ready, "description": "Some part is not ready"}})
async def ready(response: Response, registry: CurrentRegistry, pool: Pool) -> Ready:
    """The state of each part."""
    database = await examine(pool)
    if not database.ready:
        response.status_code = 503
    return Ready(ready=database.ready, model=Part(ready=True, detail=registry.state), database=database)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Counters and timings for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
