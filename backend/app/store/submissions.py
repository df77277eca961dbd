"""Single submissions, or a few."""

from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from app.schemas.submissions import Submission
from app.store.conditions import COLUMNS, SELECT_SUBMISSION, SHOWN
from app.store.rows import fetch_one


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
    visit: UUID | None = None


async def insert(connection: AsyncConnection, new: NewSubmission) -> Submission | None:
    """The stored submission; None if its idempotency key was used before, or was taken back."""
    if new.idempotency_key and await _is_undone(connection, new.idempotency_key):
        return None
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            f"""
            INSERT INTO submissions (idempotency_key, request_sha256, image, prediction, confidence, unsure,
                                     probabilities, model, true_label, visit)
            VALUES (%(idempotency_key)s, %(request_sha256)s, %(image)s, %(prediction)s, %(confidence)s, %(unsure)s,
                    %(probabilities)s, %(model)s, %(true_label)s, %(visit)s)
            ON CONFLICT (idempotency_key) DO NOTHING
            RETURNING {COLUMNS}
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


async def find(
    connection: AsyncConnection, submission_id: UUID, sees_all: bool, key: UUID | None = None
) -> Submission | None:
    """Unless `sees_all`, only if it is approved or has this idempotency key."""
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            f"{SELECT_SUBMISSION} WHERE id = %(id)s AND {SHOWN}", {"id": submission_id, "all": sees_all, "key": key}
        )
        return await cursor.fetchone()


async def find_image(
    connection: AsyncConnection, submission_id: UUID, sees_all: bool, key: UUID | None = None
) -> bytes | None:
    """As find."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            f"SELECT image FROM submissions WHERE id = %(id)s AND {SHOWN}",
            {"id": submission_id, "all": sees_all, "key": key},
        )
        return await cursor.fetchone()


# locked in a fixed order, so that concurrent changes of the same submissions cannot deadlock
CHOSEN = "chosen AS (SELECT id FROM submissions WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE)"


async def change(connection: AsyncConnection, ids: list[UUID], **columns: Any) -> list[Submission]:
    """Sets true_label, status or both of those that exist."""
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            f"""
            WITH {CHOSEN}
            UPDATE submissions
            SET true_label = CASE WHEN %(relabel)s THEN %(true_label)s ELSE true_label END,
                status = coalesce(%(status)s, status)
            WHERE id IN (SELECT id FROM chosen)
            RETURNING {COLUMNS}
            """,
            {"ids": ids, "relabel": "true_label" in columns, "true_label": None, "status": None} | columns,
        )
        return await cursor.fetchall()


async def delete(connection: AsyncConnection, ids: list[UUID]) -> int:
    """Returns how many of them existed."""
    cursor = await connection.execute(
        f"WITH {CHOSEN} DELETE FROM submissions WHERE id IN (SELECT id FROM chosen)", {"ids": ids}
    )
    return cursor.rowcount


async def delete_own(connection: AsyncConnection, key: UUID, submission_id: UUID | None = None) -> bool:
    """Deletes the submission with this key (and id, if given) within 10 minutes. Returns whether it did.

    For an hour, no submission is stored under a key that has none now: its request may arrive after its undo.
    """
    await _lock_key(connection, key)
    cursor = await connection.execute(
        """
        DELETE FROM submissions
        WHERE idempotency_key = %(key)s AND created_at > now() - interval '10 minutes'
              AND (%(id)s::uuid IS NULL OR id = %(id)s)
        """,
        {"id": submission_id, "key": key},
    )
    await connection.execute(
        """
        INSERT INTO undone (idempotency_key)
        SELECT %(key)s WHERE NOT EXISTS (SELECT FROM submissions WHERE idempotency_key = %(key)s)
        ON CONFLICT DO NOTHING
        """,
        {"key": key},
    )
    return cursor.rowcount == 1


async def delete_old_undone(connection: AsyncConnection) -> None:
    """Forgets the keys that were taken back more than an hour ago."""
    await connection.execute("DELETE FROM undone WHERE created_at < now() - interval '1 hour'")


async def has_key(connection: AsyncConnection, key: UUID) -> bool:
    """Whether a submission was stored with this idempotency key."""
    cursor = await connection.execute("SELECT 1 FROM submissions WHERE idempotency_key = %(key)s", {"key": key})
    return cursor.rowcount == 1


async def _is_undone(connection: AsyncConnection, key: UUID) -> bool:
    await _lock_key(connection, key)
    cursor = await connection.execute("SELECT 1 FROM undone WHERE idempotency_key = %(key)s", {"key": key})
    return cursor.rowcount == 1


async def _lock_key(connection: AsyncConnection, key: UUID) -> None:
    """Until the transaction ends: each of an insertion and an undo at the same time must see what the other did."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(key)s::text, 0))", {"key": key})


async def measure(connection: AsyncConnection) -> int:
    """The bytes that the table takes on disk, with indexes and dead rows. Fast."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT pg_total_relation_size('submissions')")
        return int(await fetch_one(cursor))


PIECE = 20_000  # pages of 8 kB that are read at a time: a statement must not take more than some seconds


async def sum_images(connection: AsyncConnection) -> int:
    """The bytes of all sketches, about. Reads the whole table."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT pg_relation_size('submissions') / current_setting('block_size')::int")
        total = 0
        for first in range(0, int(await fetch_one(cursor)), PIECE):
            await cursor.execute(
                """
                SELECT coalesce(sum(octet_length(image)), 0)::bigint
                FROM submissions
                WHERE ctid >= %(first)s::tid AND ctid < %(end)s::tid
                """,
                {"first": f"({first},0)", "end": f"({first + PIECE},0)"},
            )
            total += int(await fetch_one(cursor))
        return total
