"""The queue of retrainings in Postgres, kept by procrastinate: the backend adds jobs, trainers run them."""

from asyncio import to_thread
from importlib import import_module
from typing import TYPE_CHECKING

import psycopg

from app import store
from app.errors import AlreadyRetraining, NothingToLearn, RetrainingEnded, RetrainingNotFound
from app.schemas.retrainings import Retraining

if TYPE_CHECKING:
    from procrastinate import App

RETRAIN, UPKEEP = "retraining", "upkeep"  # queues, and the names of their tasks
HEARTBEAT_S = 3  # between two heartbeats of a trainer
LOST_S = 15  # without a heartbeat, after which a trainer counts as lost
TRIES = 3  # to finish an epoch, if trainers are lost or killed


def create_app(conninfo: str = "") -> "App":
    """Without `conninfo`, for adding jobs through a connection that is given."""
    from procrastinate import App, PsycopgConnector  # only now: it takes 4 MB, which most workers never need

    return App(connector=PsycopgConnector(conninfo=conninfo, min_size=1, max_size=4))


async def ask(connection: psycopg.AsyncConnection, automatic: bool = False) -> Retraining:
    """Adds a retraining, which a trainer can start once this transaction is committed.

    Raises NothingToLearn, and AlreadyRetraining if one waits or runs; then the transaction must be rolled back.
    """
    await to_thread(import_module, "procrastinate")  # 0.2 s, once
    from procrastinate.exceptions import AlreadyEnqueued, ConnectorException  # as in create_app

    approved = await store.retrainings.count_approved(connection)
    if not approved:
        raise NothingToLearn
    # lock: one runs at a time; queueing_lock: one waits at a time
    job = create_app().configure_task(
        RETRAIN, queue=RETRAIN, lock=RETRAIN, queueing_lock=RETRAIN, connection=connection
    )
    try:
        job_id = await job.defer_async()
    except AlreadyEnqueued as e:
        raise AlreadyRetraining from e
    except ConnectorException as e:
        raise e.__cause__ or e from e  # psycopg's error, which database.py translates
    await store.retrainings.insert(connection, job_id, approved, automatic)
    # checked last: by now, concurrent requests have been waited for
    if await store.retrainings.is_another_unfinished(connection, job_id):
        raise AlreadyRetraining
    return await find(connection, job_id)


async def cancel(connection: psycopg.AsyncConnection, job: int) -> Retraining:
    """Cancels it at once, or within seconds if a trainer is running it.

    Raises RetrainingNotFound, RetrainingEnded.
    """
    state = (await find(connection, job)).state
    if state in ("done", "failed", "cancelled"):
        raise RetrainingEnded
    await store.retrainings.request_abort(connection, job)
    if state == "lost":  # there is no trainer to stop
        await store.retrainings.finish_aborting(connection, job)
    await store.retrainings.drop_checkpoints(connection)
    return await find(connection, job)


async def find(connection: psycopg.AsyncConnection, job: int) -> Retraining:
    """Raises RetrainingNotFound."""
    found = await store.retrainings.list_latest(connection, limit=1, lost_after_s=LOST_S, job=job)
    if not found:
        raise RetrainingNotFound
    return found[0]
