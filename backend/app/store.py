"""All SQL, one function a query."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row, scalar_row

from app.schemas import DayStatistics, ModelStatistics, Submission

# everything of a submission that a client sees
SELECT_SUBMISSION = """
    SELECT id, created_at, prediction, confidence, unsure, probabilities, model, true_label, correct, status
    FROM submissions
"""

FILTERS = {
    "digit": "true_label = %(digit)s",
    "not_a_digit": "true_label IS NULL",
    "predicted": "prediction = %(predicted)s",
    "correct": "correct = %(correct)s",
    "status": "status = %(status)s",
    "model": "model = %(model)s",
    "before": "(created_at, id) < (%(before)s, %(before_id)s)",
}


class NewSubmission(NamedTuple):
    """A row to insert; the database adds the rest."""

    idempotency_key: UUID | None
    request_sha256: bytes
    image: bytes
    prediction: int
    confidence: float
    unsure: bool
    probabilities: list[float]
    model: str
    true_label: int | None


async def insert_submission(connection: AsyncConnection, new: NewSubmission) -> Submission | None:
    """The stored submission; None where its idempotency key was used before."""
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            """
            INSERT INTO submissions (idempotency_key, request_sha256, image, prediction, confidence, unsure,
                                     probabilities, model, true_label)
            VALUES (%(idempotency_key)s, %(request_sha256)s, %(image)s, %(prediction)s, %(confidence)s, %(unsure)s,
                    %(probabilities)s, %(model)s, %(true_label)s)
            ON CONFLICT (idempotency_key) DO NOTHING
            RETURNING id, created_at, prediction, confidence, unsure, probabilities, model, true_label, correct, status
            """,
            new._asdict(),
        )
        return await cursor.fetchone()


async def find_repeated(connection: AsyncConnection, key: UUID, request_sha256: bytes) -> Submission | None:
    """The submission that an identical request with this key stored."""
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            SELECT_SUBMISSION + "WHERE idempotency_key = %(key)s AND request_sha256 = %(request_sha256)s",
            {"key": key, "request_sha256": request_sha256},
        )
        return await cursor.fetchone()


async def find_submission(connection: AsyncConnection, submission_id: UUID) -> Submission | None:
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(SELECT_SUBMISSION + "WHERE id = %(id)s", {"id": submission_id})
        return await cursor.fetchone()


async def find_image(connection: AsyncConnection, submission_id: UUID) -> bytes | None:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT image FROM submissions WHERE id = %(id)s", {"id": submission_id})
        return await cursor.fetchone()


async def list_submissions(
    connection: AsyncConnection, limit: int, before: tuple[datetime, UUID] | None = None, **filters: Any
) -> list[Submission]:
    """Newest first. ``filters``: names of FILTERS with their values; those that are None do not filter."""
    given = {name: value for name, value in filters.items() if value is not None}
    if before:
        given |= {"before": before[0], "before_id": before[1]}
    where = " AND ".join(FILTERS[name] for name in given if name in FILTERS) or "true"
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            f"{SELECT_SUBMISSION} WHERE {where} ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
            {**given, "limit": limit},
        )
        return await cursor.fetchall()


async def delete_own_submission(connection: AsyncConnection, submission_id: UUID, key: UUID) -> bool:
    """Whether there was one with this key, at most 10 minutes old."""
    cursor = await connection.execute(
        """
        DELETE FROM submissions
        WHERE id = %(id)s AND idempotency_key = %(key)s AND created_at > now() - interval '10 minutes'
        """,
        {"id": submission_id, "key": key},
    )
    return cursor.rowcount == 1


async def count_by_answer(connection: AsyncConnection) -> list[dict[str, Any]]:
    """How often each label met each prediction, and how many of those were unsure."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """
            SELECT true_label, prediction, count(*) AS submissions, count(*) FILTER (WHERE unsure) AS unsure
            FROM submissions
            WHERE status <> 'rejected'
            GROUP BY true_label, prediction
            """
        )
        return await cursor.fetchall()


async def count_by_confidence(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Submissions, mean confidence and accuracy by tenths of confidence; `bin` from 0 to 9."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """
            SELECT least(floor(confidence * 10), 9)::int AS bin, count(*) AS submissions,
                   avg(confidence) AS mean_confidence, avg(correct::int)::float AS accuracy
            FROM submissions
            WHERE status <> 'rejected' AND true_label IS NOT NULL
            GROUP BY bin
            """
        )
        return await cursor.fetchall()


async def count_by_day(connection: AsyncConnection) -> list[DayStatistics]:
    """The last 90 days that have submissions, oldest first."""
    async with connection.cursor(row_factory=class_row(DayStatistics)) as cursor:
        await cursor.execute(
            """
            SELECT day, submissions, accuracy
            FROM (
                SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS submissions,
                       avg(correct::int)::float AS accuracy
                FROM submissions
                WHERE status <> 'rejected' AND true_label IS NOT NULL
                GROUP BY day
                ORDER BY day DESC
                LIMIT 90
            ) AS latest
            ORDER BY day
            """
        )
        return await cursor.fetchall()


async def count_by_model(connection: AsyncConnection) -> list[ModelStatistics]:
    """The model that answered last comes first."""
    async with connection.cursor(row_factory=class_row(ModelStatistics)) as cursor:
        await cursor.execute(
            """
            SELECT model, count(*) AS submissions, avg(correct::int)::float AS accuracy
            FROM submissions
            WHERE status <> 'rejected' AND true_label IS NOT NULL
            GROUP BY model
            ORDER BY max(created_at) DESC
            """
        )
        return await cursor.fetchall()


async def is_set_up(connection: AsyncConnection) -> bool:
    """Whether db/init.sql has run."""
    cursor = await connection.execute("SELECT to_regclass('submissions') IS NOT NULL")
    row = await cursor.fetchone()
    return bool(row and row[0])
