"""Many submissions at once: exports, imports, and what models learn from."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from app.schemas.submissions import Status, Submission
from app.store.conditions import SELECT_SUBMISSION, build_where


async def stream_submissions(connection: AsyncConnection, **filters: Any) -> AsyncIterator[Submission]:
    """All of them, newest first, a few at a time in memory."""
    where, values = build_where(filters)
    async with connection.cursor("submissions", row_factory=class_row(Submission)) as cursor:
        cursor.itersize = 50  # rows at a time: parsing them blocks the event loop
        await cursor.execute(f"{SELECT_SUBMISSION} WHERE {where} ORDER BY created_at DESC, id DESC", values)
        async for submission in cursor:
            yield submission


async def stream_images(connection: AsyncConnection, **filters: Any) -> AsyncIterator[tuple[UUID, bytes]]:
    """As stream_submissions: their ids and pictures."""
    where, values = build_where(filters)
    async with connection.cursor("images") as cursor:
        cursor.itersize = 50
        await cursor.execute(
            f"SELECT id, image FROM submissions WHERE {where} ORDER BY created_at DESC, id DESC", values, binary=True
        )
        async for row in cursor:
            yield row


class Restored(NamedTuple):
    """A row of an earlier export. Fractions are text: as Python's floats they would be rounded twice."""

    id: UUID
    created_at: datetime
    request_sha256: bytes
    image: bytes
    prediction: int
    confidence: str
    unsure: bool
    probabilities: list[str]
    model: str
    true_label: int | None
    status: str
    visit: UUID | None = None


async def restore(connection: AsyncConnection, rows: list[Restored]) -> int:
    """Returns how many were new. Raises psycopg.DataError and IntegrityError for invalid values."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """
            INSERT INTO submissions (id, created_at, request_sha256, image, prediction, confidence, unsure,
                                     probabilities, model, true_label, status, visit)
            VALUES (%(id)s, %(created_at)s, %(request_sha256)s, %(image)s, %(prediction)s, %(confidence)s::real,
                    %(unsure)s, %(probabilities)s::text[]::real[], %(model)s, %(true_label)s, %(status)s, %(visit)s)
            ON CONFLICT (id) DO NOTHING
            """,
            [row._asdict() for row in rows],
        )
        return cursor.rowcount


class LabelledSketch(NamedTuple):
    """A sketch for training or evaluation."""

    id: UUID
    created_at: datetime
    visit: UUID | None
    image: bytes
    true_label: int | None


async def iterate_labelled_sketches(
    connection: AsyncConnection, statuses: Sequence[Status]
) -> AsyncIterator[LabelledSketch]:
    """Every submission with these statuses, by id, with constant memory. Needs a transaction."""
    async with connection.cursor(name="labelled_sketches", row_factory=class_row(LabelledSketch)) as cursor:
        cursor.itersize = 500  # rows fetched at a time, of some kilobytes each
        await cursor.execute(
            """
            SELECT id, created_at, visit, image, true_label
            FROM submissions
            WHERE status = ANY(%(statuses)s)
            ORDER BY id
            """,
            {"statuses": list(statuses)},
        )
        async for sketch in cursor:
            yield sketch
