"""Statistics of submissions."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from app.schemas.statistics import DayModelStatistics, DayStatistics, ModelStatistics
from app.store.conditions import COUNTED


async def count_by_answer(connection: AsyncConnection, sees_all: bool) -> list[dict[str, Any]]:
    """The number of submissions by label and prediction, and how many of them were unsure."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""
            SELECT true_label, prediction, count(*) AS submissions, count(*) FILTER (WHERE unsure) AS unsure
            FROM submissions
            WHERE {COUNTED}
            GROUP BY true_label, prediction
            """,
            {"all": sees_all},
        )
        return await cursor.fetchall()


async def count_by_confidence(connection: AsyncConnection, sees_all: bool) -> list[dict[str, Any]]:
    """Submissions, mean confidence and accuracy by tenths of confidence; `bin` from 0 to 9."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""
            SELECT least(floor(confidence * 10), 9)::int AS bin, count(*) AS submissions,
                   avg(confidence) AS mean_confidence, avg(correct::int)::float AS accuracy
            FROM submissions
            WHERE {COUNTED} AND true_label IS NOT NULL
            GROUP BY bin
            """,
            {"all": sees_all},
        )
        return await cursor.fetchall()


async def count_by_day(connection: AsyncConnection, sees_all: bool) -> list[DayStatistics]:
    """The last 90 days that have submissions, oldest first."""
    async with connection.cursor(row_factory=class_row(DayStatistics)) as cursor:
        await cursor.execute(
            f"""
            SELECT day, submissions, accuracy
            FROM (
                SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS submissions,
                       avg(correct::int)::float AS accuracy
                FROM submissions
                WHERE {COUNTED} AND true_label IS NOT NULL
                GROUP BY day
                ORDER BY day DESC
                LIMIT 90
            ) AS latest
            ORDER BY day
            """,
            {"all": sees_all},
        )
        return await cursor.fetchall()


async def count_by_model(connection: AsyncConnection, sees_all: bool) -> list[ModelStatistics]:
    """The model with the latest submission first."""
    async with connection.cursor(row_factory=class_row(ModelStatistics)) as cursor:
        await cursor.execute(
            f"""
            SELECT model, count(*) AS submissions, avg(correct::int)::float AS accuracy
            FROM submissions
            WHERE {COUNTED} AND true_label IS NOT NULL
            GROUP BY model
            ORDER BY max(created_at) DESC
            """,
            {"all": sees_all},
        )
        return await cursor.fetchall()


async def count_by_day_and_model(connection: AsyncConnection, sees_all: bool) -> list[DayModelStatistics]:
    """The last 90 days that have submissions, oldest first; within a day, the model with most submissions first."""
    async with connection.cursor(row_factory=class_row(DayModelStatistics)) as cursor:
        await cursor.execute(
            f"""
            SELECT day, model, submissions, accuracy
            FROM (
                SELECT (created_at AT TIME ZONE 'UTC')::date AS day, model, count(*) AS submissions,
                       avg(correct::int)::float AS accuracy,
                       dense_rank() OVER (ORDER BY (created_at AT TIME ZONE 'UTC')::date DESC) AS days_back
                FROM submissions
                WHERE {COUNTED} AND true_label IS NOT NULL
                GROUP BY day, model
            ) AS every_day
            WHERE days_back <= 90
            ORDER BY day, submissions DESC, model
            """,
            {"all": sees_all},
        )
        return await cursor.fetchall()
