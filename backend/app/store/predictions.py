"""The log of predictions."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from app.schemas.statistics import DayAnswers


class NewPrediction(NamedTuple):
    """A prediction of /predict, for the log."""

    created_at: datetime
    model: str
    digit: int
    confidence: float
    unsure: bool
    milliseconds: float


async def insert(connection: AsyncConnection, rows: Sequence[NewPrediction]) -> None:
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY predictions (created_at, model, digit, confidence, unsure, milliseconds) FROM STDIN") as copy,
    ):
        for row in rows:
            await copy.write_row(row)


async def delete_old(connection: AsyncConnection, days: int, most: int, limit: int) -> int:
    """Deletes rows older than `days`, and the first ones if there are more than `most`; returns how many.

    At most `limit` at once. The ids tell how many there are: counting would take long.
    """
    cursor = await connection.execute(
        """
        DELETE FROM predictions
        WHERE ctid = ANY (ARRAY(
            (
                SELECT ctid FROM predictions
                WHERE created_at < now() - make_interval(days => %(days)s)
                ORDER BY created_at
                LIMIT %(limit)s
            )
            UNION
            (
                SELECT ctid FROM predictions
                WHERE id <= (SELECT max(id) FROM predictions) - %(most)s
                ORDER BY id
                LIMIT %(limit)s
            )
            LIMIT %(limit)s
        ))
        """,
        {"days": days, "most": most, "limit": limit},
    )
    return cursor.rowcount


async def fill_reference(connection: AsyncConnection, model: str, first: int) -> None:
    """Stores a model's first predictions by tenths of confidence, if there are enough and it was not done."""
    await connection.execute(
        """
        WITH answers AS (
            SELECT id, least(floor(confidence * 10), 9)::int AS bin
            FROM predictions
            WHERE model = %(model)s
            ORDER BY id
            LIMIT %(first)s
        ), bins AS (
            SELECT array_agg(answers ORDER BY bin) AS counts
            FROM (
                SELECT bin, count(id)::int AS answers
                FROM generate_series(0, 9) AS bin
                LEFT JOIN answers USING (bin)
                GROUP BY bin
            ) AS counted
        )
        UPDATE models
        SET reference = bins.counts, reference_end = (SELECT max(id) FROM answers)
        FROM bins
        WHERE version = %(model)s AND reference IS NULL AND (SELECT count(*) FROM answers) = %(first)s
        """,
        {"model": model, "first": first},
    )


async def find_reference(connection: AsyncConnection, model: str) -> tuple[list[int], int] | None:
    """The model's first predictions by tenths of confidence, and the last of their ids."""
    cursor = await connection.execute(
        "SELECT reference, reference_end FROM models WHERE version = %(model)s AND reference IS NOT NULL",
        {"model": model},
    )
    return await cursor.fetchone()


async def count_latest_confidences(connection: AsyncConnection, model: str, after: int, latest: int) -> list[int]:
    """10 counts, by tenths of confidence, of the model's `latest` predictions with an id above `after`."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            """
            SELECT count(confidence)::int
            FROM generate_series(0, 9) AS bin
            LEFT JOIN (
                SELECT confidence, least(floor(confidence * 10), 9)::int AS bin
                FROM predictions
                WHERE model = %(model)s AND id > %(after)s
                ORDER BY id DESC
                LIMIT %(latest)s
            ) AS answers USING (bin)
            GROUP BY bin
            ORDER BY bin
            """,
            {"model": model, "after": after, "latest": latest},
        )
        return await cursor.fetchall()


async def count_answers_by_day(connection: AsyncConnection) -> list[DayAnswers]:
    """Oldest first."""
    async with connection.cursor(row_factory=class_row(DayAnswers)) as cursor:
        await cursor.execute(
            """
            SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS answers,
                   count(*) FILTER (WHERE unsure) AS unsure
            FROM predictions
            GROUP BY day
            ORDER BY day
            """
        )
        return await cursor.fetchall()
