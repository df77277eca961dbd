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
            version = await store.find_schema_version(connection)
    except DatabaseUnavailable:  # why is in the log: a client need not know where the database is
        return Part(ready=False, detail="The database cannot be reached.")
    if trouble := _schema_trouble(version):
        return Part(ready=False, detail=trouble)
    return Part(ready=True, detail="ok")


def _schema_trouble(version: int | None) -> str | None:
    """Why this release does not fit a database of this version; None where it does."""
    if version is None:
        return "The database is not set up: run db/migrate.sh (./up.sh does)."
    if version < store.SCHEMA_VERSION:
        return (
            f"The database is at version {version}, this release needs {store.SCHEMA_VERSION}: run db/migrate.sh "
            "(./up.sh does)."
        )
    if version > store.SCHEMA_VERSION:
        return (
            f"The database is at version {version}, of a newer release; this one knows {store.SCHEMA_VERSION}: use "
            "the newer release."
        )
    return None
