"""How the service is, for health checks and Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from psycopg_pool import AsyncConnectionPool

from app import store
from app.database import Pool, connect
from app.errors import DatabaseUnavailable
from app.registry import CurrentRegistry
from app.schemas import Live, Part, Ready

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> Live:
    """The process answers; it predicts, with or without a database."""
    return Live()


@router.get("/health/ready", responses={503: {"model": Ready, "description": "Some part is not ready"}})
async def ready(response: Response, registry: CurrentRegistry, pool: Pool) -> Ready:
    """The state of each part."""
    database = await _database(pool)
    if not database.ready:
        response.status_code = 503
    return Ready(ready=database.ready, model=Part(ready=True, detail=registry.state), database=database)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Counters and timings for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _database(pool: AsyncConnectionPool) -> Part:
    try:
        async with connect(pool) as connection:
            is_set_up = await store.is_set_up(connection)
    except DatabaseUnavailable:  # why is in the log: a client need not know where the database is
        return Part(ready=False, detail="The database cannot be reached.")
    return Part(ready=is_set_up, detail="ok" if is_set_up else "The database is not set up: run db/init.sql.")
