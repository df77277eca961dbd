"""Retrainings, and queries on their queue that procrastinate does not have."""

from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from app.schemas.retrainings import Retraining
from app.store.rows import fetch_one


async def count_approved(connection: AsyncConnection) -> int:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT count(*) FROM submissions WHERE status = 'approved'")
        return int(await fetch_one(cursor))


async def count_newly_approved(connection: AsyncConnection) -> int:
    """How many more submissions are approved than at the last retraining."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            """
            SELECT count(*) - coalesce((SELECT approved FROM retrainings ORDER BY job DESC LIMIT 1), 0)
            FROM submissions
            WHERE status = 'approved'
            """
        )
        return int(await fetch_one(cursor))


async def insert(connection: AsyncConnection, job: int, approved: int, automatic: bool) -> None:
    await connection.execute(
        "INSERT INTO retrainings (job, approved, automatic) VALUES (%(job)s, %(approved)s, %(automatic)s)",
        {"job": job, "approved": approved, "automatic": automatic},
    )


async def is_another_unfinished(connection: AsyncConnection, job: int) -> bool:
    """Whether another retraining waits or runs."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            """
            SELECT EXISTS (SELECT FROM retrainings JOIN procrastinate_jobs AS jobs ON jobs.id = job
                           WHERE job <> %(job)s AND status IN ('todo', 'doing'))
            """,
            {"job": job},
        )
        return bool(await fetch_one(cursor))


async def list_latest(
    connection: AsyncConnection, limit: int, lost_after_s: float, job: int | None = None
) -> list[Retraining]:
    """Newest first, or only that of `job`. A trainer without a heartbeat for `lost_after_s` seconds is lost."""
    async with connection.cursor(row_factory=class_row(Retraining)) as cursor:
        await cursor.execute(
            """
            SELECT job AS id, retrainings.created_at, started_at,
                   (SELECT max(at) FROM procrastinate_events
                    WHERE job_id = job AND type IN ('succeeded', 'failed', 'cancelled', 'aborted')
                          AND status NOT IN ('todo', 'doing')) AS ended_at,
                   CASE WHEN status = 'todo' THEN 'waiting'
                        WHEN status = 'doing' AND last_heartbeat > now() - make_interval(secs => %(lost_after_s)s)
                            THEN CASE WHEN abort_requested THEN 'cancelling' ELSE 'running' END
                        WHEN status = 'doing' THEN 'lost'
                        WHEN status = 'succeeded' THEN 'done'
                        WHEN status = 'failed' THEN 'failed'
                        ELSE 'cancelled' END AS state,
                   automatic, (SELECT count(*) FROM procrastinate_events
                               WHERE job_id = job AND type = 'deferred_for_retry') AS taken_up_again,
                   coalesce(cardinality(sketches), approved) AS sketches,
                   stage, epochs, curve, log, error, model
            FROM retrainings
            JOIN procrastinate_jobs AS jobs ON jobs.id = job
            LEFT JOIN procrastinate_workers AS workers ON workers.id = worker_id
            WHERE %(job)s::bigint IS NULL OR job = %(job)s
            ORDER BY job DESC
            LIMIT %(limit)s
            """,
            {"limit": limit, "lost_after_s": lost_after_s, "job": job},
        )
        return await cursor.fetchall()


async def count_trainers(connection: AsyncConnection, lost_after_s: float) -> int:
    """Trainers with a heartbeat in the last `lost_after_s` seconds."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            """
            SELECT count(*) FROM procrastinate_workers
            WHERE last_heartbeat > now() - make_interval(secs => %(lost_after_s)s)
            """,
            {"lost_after_s": lost_after_s},
        )
        return int(await fetch_one(cursor))


async def request_abort(connection: AsyncConnection, job: int) -> None:
    """Cancels a waiting job, or asks the trainer of a running one to stop."""
    await connection.execute("SELECT procrastinate_cancel_job_v1(%(job)s, true, false)", {"job": job})


async def finish_aborting(connection: AsyncConnection, job: int) -> bool:
    """Ends the job of a lost trainer, if an abort was requested. Returns whether it did."""
    cursor = await connection.execute(
        """
        SELECT procrastinate_finish_job_v1(id, 'aborted', false)
        FROM procrastinate_jobs
        WHERE id = %(job)s AND status = 'doing' AND abort_requested
        """,
        {"job": job},
    )
    return cursor.rowcount == 1


async def drop_checkpoints(connection: AsyncConnection) -> None:
    """Of all retrainings that have ended."""
    await connection.execute(
        """
        UPDATE retrainings
        SET checkpoint = NULL, sketches = NULL
        FROM procrastinate_jobs AS jobs
        WHERE jobs.id = job AND status NOT IN ('todo', 'doing')
              AND (checkpoint IS NOT NULL OR sketches IS NOT NULL)
        """
    )


class Standing(NamedTuple):
    """The state of a retraining after its last finished epoch."""

    tries: int  # since then, including this one
    curve: list[dict[str, Any]]
    log: str
    sketches: list[UUID] | None
    checkpoint: bytes | None


async def begin(connection: AsyncConnection, job: int) -> Standing:
    """Starts from the last checkpoint with its sketches, or from scratch with all sketches that are approved now.

    Those count as learned from: RETRAIN_AFTER counts what is approved after them.
    """
    async with connection.cursor(row_factory=class_row(Standing), binary=True) as cursor:
        await cursor.execute(
            """
            WITH approved AS (
                SELECT coalesce(array_agg(id ORDER BY id), '{}') AS ids FROM submissions WHERE status = 'approved'
            )
            UPDATE retrainings
            SET tries = tries + 1, started_at = coalesce(started_at, now()),
                sketches = CASE WHEN checkpoint IS NULL THEN ids ELSE sketches END,
                approved = CASE WHEN checkpoint IS NULL THEN cardinality(ids) ELSE approved END
            FROM approved
            WHERE job = %(job)s
            RETURNING tries, curve, log, sketches, checkpoint
            """,
            {"job": job},
        )
        return await fetch_one(cursor)


WRITABLE = ("tries", "stage", "epochs", "curve", "log", "error", "model", "sketches", "checkpoint")


async def write_progress(connection: AsyncConnection, job: int, worker: int, **columns: Any) -> bool:
    """Returns whether the job is still this worker's. If it is not, or has ended, nothing is written."""
    assert columns.keys() <= set(WRITABLE)
    values = columns | ({"curve": Jsonb(columns["curve"])} if "curve" in columns else {})
    cursor = await connection.execute(
        f"""
        UPDATE retrainings
        SET {", ".join(f"{name} = %({name})s" for name in values)}
        FROM procrastinate_jobs AS jobs
        WHERE job = %(job)s AND jobs.id = job AND worker_id = %(worker)s AND status = 'doing'
        """,
        values | {"job": job, "worker": worker},
    )
    return cursor.rowcount == 1


async def find_own_jobs(connection: AsyncConnection, worker: int, queue: str) -> list[int] | None:
    """The worker's running jobs according to the database; None if the worker is not registered (any more)."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            """
            SELECT array(SELECT id FROM procrastinate_jobs
                         WHERE worker_id = %(worker)s AND status = 'doing' AND queue_name = %(queue)s)
            FROM procrastinate_workers
            WHERE id = %(worker)s
            """,
            {"worker": worker, "queue": queue},
        )
        return await cursor.fetchone()
