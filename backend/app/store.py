"""All SQL, one function a query."""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row, scalar_row
from psycopg.types.json import Jsonb

from app.schemas import (
    DayAnswers,
    DayModelStatistics,
    DayStatistics,
    Model,
    ModelStatistics,
    Order,
    Promotion,
    Status,
    Submission,
)

SCHEMA_VERSION = 2  # the newest of db/migrations, which this code is written for

# everything of a submission that a client sees
SELECT_SUBMISSION = """
    SELECT id, created_at, prediction, confidence, unsure, probabilities, model, true_label, correct, status, visit
    FROM submissions
"""

CONDITIONS = {
    "digit": "true_label = %(digit)s",
    "not_a_digit": "true_label IS NULL",
    "predicted": "prediction = %(predicted)s",
    "correct": "correct = %(correct)s",
    "unsure": "unsure = %(unsure)s",
    "status": "status = %(status)s",
    "rejected": "(status = 'rejected') = %(rejected)s",
    "model": "model = %(model)s",
    "approved_only": "status = 'approved'",
    "nothing": "false",
}

# how pages are sorted, and what comes after a given place
ORDERS = {
    "newest": ("created_at DESC, id DESC", "(created_at, id) < (%(place)s, %(place_id)s)"),
    # as real, which the column is: 0.9::real is not 0.9
    "mislabelled": ("confidence DESC, id DESC", "(confidence, id) < (%(place)s::real, %(place_id)s)"),
}

# A model answers for some weeks, and what was reviewed is mostly old. The planner does not know that, and would walk
# through all that came before and after; so it is told when there are such, which their index knows at once.
OF_A_TIME = ("model", "status", "approved_only")
# The lower end is a pair because the planner takes two ends of a plain range, as long as it does not know them, for a
# narrow one, and then prefers to sort all that is in it.
SPAN = """created_at <= (SELECT max(created_at) FROM submissions WHERE {0})
    AND (created_at, id) >= ((SELECT min(created_at) FROM submissions WHERE {0}),
                             uuid '00000000-0000-0000-0000-000000000000')"""


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


async def insert_submission(connection: AsyncConnection, new: NewSubmission) -> Submission | None:
    """The stored submission; None where its idempotency key was used before."""
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            """
            INSERT INTO submissions (idempotency_key, request_sha256, image, prediction, confidence, unsure,
                                     probabilities, model, true_label, visit)
            VALUES (%(idempotency_key)s, %(request_sha256)s, %(image)s, %(prediction)s, %(confidence)s, %(unsure)s,
                    %(probabilities)s, %(model)s, %(true_label)s, %(visit)s)
            ON CONFLICT (idempotency_key) DO NOTHING
            RETURNING id, created_at, prediction, confidence, unsure, probabilities, model, true_label, correct, status,
                      visit
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


# whether somebody who sent this key, or none, may see it
SHOWN = "(%(all)s OR status = 'approved' OR idempotency_key = %(key)s)"


async def find_submission(
    connection: AsyncConnection, submission_id: UUID, sees_all: bool = True, key: UUID | None = None
) -> Submission | None:
    """Where not all are shown: only if it is approved, or has this idempotency key."""
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            f"{SELECT_SUBMISSION} WHERE id = %(id)s AND {SHOWN}", {"id": submission_id, "all": sees_all, "key": key}
        )
        return await cursor.fetchone()


async def find_image(
    connection: AsyncConnection, submission_id: UUID, sees_all: bool = True, key: UUID | None = None
) -> bytes | None:
    """As find_submission."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            f"SELECT image FROM submissions WHERE id = %(id)s AND {SHOWN}",
            {"id": submission_id, "all": sees_all, "key": key},
        )
        return await cursor.fetchone()


async def list_submissions(
    connection: AsyncConnection,
    limit: int,
    order: Order = "newest",
    after: tuple[datetime | float, UUID] | None = None,
    **filters: Any,
) -> list[Submission]:
    """A page. ``after``: created_at, or confidence if that is the order, and id of the last one before it."""
    query, values = page_query(limit, order, after, **filters)
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        # planned for these very values: a plan for any value could use no partial index
        await cursor.execute(query, values, prepare=False)
        return await cursor.fetchall()


def page_query(
    limit: int, order: Order, after: tuple[datetime | float, UUID] | None = None, **filters: Any
) -> tuple[str, dict[str, Any]]:
    """The query of list_submissions, with its parameters."""
    where, values = _where(filters | _correctness(filters, order))
    sorting, rest = ORDERS[order]
    if after:
        where += f" AND {rest}"
        values |= {"place": after[0], "place_id": after[1]}
    if order == "newest":
        where += "".join(f" AND {SPAN.format(CONDITIONS[name])}" for name in OF_A_TIME if name in values)
    query = f"{SELECT_SUBMISSION} WHERE {where} ORDER BY {sorting} LIMIT %(limit)s"
    return query, values | {"limit": limit}


async def count_submissions(connection: AsyncConnection, order: Order = "newest", **filters: Any) -> int:
    """How many all pages of list_submissions hold."""
    where, values = _where(filters | _correctness(filters, order))
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(f"SELECT count(*) FROM submissions WHERE {where}", values, prepare=False)
        return await cursor.fetchone()


def _correctness(filters: dict[str, Any], order: Order) -> dict[str, Any]:
    """What the filters say together of whether the model was right: named, so that an index of the wrong ones is used.

    Where they contradict each other, nothing is searched for.
    """
    digit, predicted = filters.get("digit"), filters.get("predicted")
    told = {filters.get("correct"), False if order == "mislabelled" else None}
    told |= {digit == predicted if None not in (digit, predicted) else None}
    told -= {None}
    if len(told) > 1 or (told and filters.get("not_a_digit")):
        return {"nothing": True}
    return {"correct": told.pop()} if told else {}


def _where(filters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The condition that names of CONDITIONS with their values make; those that are None do not filter."""
    values = {name: value for name, value in filters.items() if value is not None}
    return " AND ".join([CONDITIONS[name] for name in values] or ["true"]), values


# locked in one order, so that two who change the same ones at once take turns instead of waiting for each other
CHOSEN = "chosen AS (SELECT id FROM submissions WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE)"


async def change_submissions(connection: AsyncConnection, ids: list[UUID], **columns: Any) -> list[Submission]:
    """Sets true_label, status or both, of those that are there."""
    async with connection.cursor(row_factory=class_row(Submission)) as cursor:
        await cursor.execute(
            f"""
            WITH {CHOSEN}
            UPDATE submissions
            SET true_label = CASE WHEN %(relabel)s THEN %(true_label)s ELSE true_label END,
                status = coalesce(%(status)s, status)
            WHERE id IN (SELECT id FROM chosen)
            RETURNING id, created_at, prediction, confidence, unsure, probabilities, model, true_label, correct, status,
                      visit
            """,
            {"ids": ids, "relabel": "true_label" in columns, "true_label": None, "status": None} | columns,
        )
        return await cursor.fetchall()


async def delete_submissions(connection: AsyncConnection, ids: list[UUID]) -> int:
    """How many of them were there."""
    cursor = await connection.execute(
        f"WITH {CHOSEN} DELETE FROM submissions WHERE id IN (SELECT id FROM chosen)", {"ids": ids}
    )
    return cursor.rowcount


async def stream_submissions(connection: AsyncConnection, **filters: Any) -> AsyncIterator[Submission]:
    """All of them, newest first, of which only a few are in memory at any time."""
    where, values = _where(filters)
    async with connection.cursor("submissions", row_factory=class_row(Submission)) as cursor:
        cursor.itersize = 50  # at once: predictions wait meanwhile
        await cursor.execute(f"{SELECT_SUBMISSION} WHERE {where} ORDER BY created_at DESC, id DESC", values)
        async for submission in cursor:
            yield submission


async def stream_images(connection: AsyncConnection, **filters: Any) -> AsyncIterator[tuple[UUID, bytes]]:
    """As stream_submissions: their ids and pictures."""
    where, values = _where(filters)
    async with connection.cursor("images") as cursor:
        cursor.itersize = 50
        await cursor.execute(
            f"SELECT id, image FROM submissions WHERE {where} ORDER BY created_at DESC, id DESC", values, binary=True
        )
        async for row in cursor:
            yield row


class Restored(NamedTuple):
    """A row of an earlier export. Fractions are in words: as numbers of Python they would be rounded twice."""

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


async def restore_submissions(connection: AsyncConnection, rows: list[Restored]) -> int:
    """How many were not there yet. Raises psycopg.DataError and IntegrityError for what no row may hold."""
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


async def delete_own_submission(connection: AsyncConnection, key: UUID, submission_id: UUID | None = None) -> bool:
    """Whether there was one with this key (and this id, if one is given), at most 10 minutes old."""
    cursor = await connection.execute(
        """
        DELETE FROM submissions
        WHERE idempotency_key = %(key)s AND created_at > now() - interval '10 minutes'
              AND (%(id)s::uuid IS NULL OR id = %(id)s)
        """,
        {"id": submission_id, "key": key},
    )
    return cursor.rowcount == 1


async def has_key(connection: AsyncConnection, key: UUID) -> bool:
    """Whether a submission was stored with this idempotency key."""
    cursor = await connection.execute("SELECT 1 FROM submissions WHERE idempotency_key = %(key)s", {"key": key})
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


async def count_by_day_and_model(connection: AsyncConnection) -> list[DayModelStatistics]:
    """Of the last 90 days that have submissions, oldest first; of a day, the model that answered most comes first."""
    async with connection.cursor(row_factory=class_row(DayModelStatistics)) as cursor:
        await cursor.execute(
            """
            SELECT day, model, submissions, accuracy
            FROM (
                SELECT (created_at AT TIME ZONE 'UTC')::date AS day, model, count(*) AS submissions,
                       avg(correct::int)::float AS accuracy,
                       dense_rank() OVER (ORDER BY (created_at AT TIME ZONE 'UTC')::date DESC) AS days_back
                FROM submissions
                WHERE status <> 'rejected' AND true_label IS NOT NULL
                GROUP BY day, model
            ) AS every_day
            WHERE days_back <= 90
            ORDER BY day, submissions DESC, model
            """
        )
        return await cursor.fetchall()


# --- models and promotions --------------------------------------------------------------------------


class NewModel(NamedTuple):
    """A model to store."""

    version: str
    onnx: bytes
    weights: bytes | None
    sha256: bytes
    card: dict[str, Any]
    verdict: dict[str, Any] | None = None


class StoredModel(NamedTuple):
    """What it takes to serve a model, and to decide whether it may."""

    version: str
    onnx: bytes
    sha256: bytes
    card: dict[str, Any]
    verdict: dict[str, Any] | None

    @property
    def has_passed(self) -> bool:
        """Whether the gate let it through."""
        return bool(self.verdict and self.verdict["passed"])


async def insert_model(connection: AsyncConnection, new: NewModel) -> bool:
    """Whether it was new; the same version or network twice is stored once."""
    cursor = await connection.execute(
        """
        INSERT INTO models (version, onnx, weights, sha256, card, verdict)
        VALUES (%(version)s, %(onnx)s, %(weights)s, %(sha256)s, %(card)s, %(verdict)s)
        ON CONFLICT DO NOTHING
        """,
        new._asdict() | {"card": Jsonb(new.card), "verdict": None if new.verdict is None else Jsonb(new.verdict)},
    )
    return cursor.rowcount == 1


async def is_model_known(connection: AsyncConnection, version: str) -> bool:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT EXISTS (SELECT FROM models WHERE version = %(version)s)", {"version": version})
        return bool(await cursor.fetchone())


async def find_model(connection: AsyncConnection, version: str) -> StoredModel | None:
    async with connection.cursor(row_factory=class_row(StoredModel), binary=True) as cursor:
        await cursor.execute(
            "SELECT version, onnx, sha256, card, verdict FROM models WHERE version = %(version)s", {"version": version}
        )
        return await cursor.fetchone()


async def find_weights(connection: AsyncConnection, version: str) -> bytes | None:
    """As torch.save wrote them; None where the model, or its weights, are not there."""
    async with connection.cursor(row_factory=scalar_row, binary=True) as cursor:
        await cursor.execute("SELECT weights FROM models WHERE version = %(version)s", {"version": version})
        return await cursor.fetchone()


async def list_models(connection: AsyncConnection, serving: str) -> list[Model]:
    """Newest first. `serving`: the version that serves in this process."""
    async with connection.cursor(row_factory=class_row(Model)) as cursor:
        await cursor.execute(
            """
            SELECT version, created_at, version = %(serving)s AS serving, encode(sha256, 'hex') AS sha256, card,
                   verdict, coalesce(submissions, 0) AS submissions, accuracy, promoted_at
            FROM models
            LEFT JOIN (
                SELECT model AS version, count(*) AS submissions, avg(correct::int)::float AS accuracy
                FROM submissions
                WHERE status <> 'rejected' AND true_label IS NOT NULL
                GROUP BY model
            ) AS judged USING (version)
            LEFT JOIN (
                SELECT model AS version, max(created_at) AS promoted_at FROM promotions GROUP BY model
            ) AS promoted USING (version)
            ORDER BY created_at DESC, version
            """,
            {"serving": serving},
        )
        return await cursor.fetchall()


async def lock_promotions(connection: AsyncConnection) -> None:
    """Until the transaction ends, nobody else promotes; reading goes on."""
    await connection.execute("LOCK TABLE promotions IN SHARE ROW EXCLUSIVE MODE")


async def insert_promotion(
    connection: AsyncConnection, model: str, previous: str, overruled: bool, reason: str
) -> Promotion:
    async with connection.cursor(row_factory=class_row(Promotion)) as cursor:
        await cursor.execute(
            """
            INSERT INTO promotions (model, previous, overruled, reason)
            VALUES (%(model)s, %(previous)s, %(overruled)s, %(reason)s)
            RETURNING id, created_at, model, previous, overruled, reason
            """,
            {"model": model, "previous": previous, "overruled": overruled, "reason": reason},
        )
        return await cursor.fetchone()


async def list_promotions(connection: AsyncConnection, limit: int) -> list[Promotion]:
    """Newest first."""
    async with connection.cursor(row_factory=class_row(Promotion)) as cursor:
        await cursor.execute(
            """
            SELECT id, created_at, model, previous, overruled, reason
            FROM promotions
            ORDER BY id DESC
            LIMIT %(limit)s
            """,
            {"limit": limit},
        )
        return await cursor.fetchall()


async def find_newest_promotion(connection: AsyncConnection) -> Promotion | None:
    """The one that says which model serves; None where nothing was ever promoted."""
    newest = await list_promotions(connection, limit=1)
    return newest[0] if newest else None


async def has_served(connection: AsyncConnection, version: str) -> bool:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            "SELECT EXISTS (SELECT FROM promotions WHERE %(version)s IN (model, previous))", {"version": version}
        )
        return bool(await cursor.fetchone())


class LabelledSketch(NamedTuple):
    """What a model can learn from, or be measured by."""

    id: UUID
    image: bytes
    true_label: int | None


async def iterate_labelled_sketches(
    connection: AsyncConnection, statuses: Sequence[Status]
) -> AsyncIterator[LabelledSketch]:
    """Every submission of these statuses, in the order of their ids, with flat memory; inside a transaction."""
    async with connection.cursor(name="labelled_sketches", row_factory=class_row(LabelledSketch)) as cursor:
        cursor.itersize = 500  # rows fetched at a time, of some kilobytes each
        await cursor.execute(
            "SELECT id, image, true_label FROM submissions WHERE status = ANY(%(statuses)s) ORDER BY id",
            {"statuses": list(statuses)},
        )
        async for sketch in cursor:
            yield sketch


# --- the log of answers -----------------------------------------------------------------------------


class NewPrediction(NamedTuple):
    """An answer of /predict, for the log."""

    created_at: datetime
    model: str
    digit: int
    confidence: float
    unsure: bool
    milliseconds: float


async def insert_predictions(connection: AsyncConnection, rows: Sequence[NewPrediction]) -> None:
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY predictions (created_at, model, digit, confidence, unsure, milliseconds) FROM STDIN") as copy,
    ):
        for row in rows:
            await copy.write_row(row)


async def delete_old_predictions(connection: AsyncConnection, days: int, limit: int) -> int:
    """Deletes at most `limit` of those older than `days`, and says how many."""
    cursor = await connection.execute(
        """
        DELETE FROM predictions
        WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM predictions
            WHERE created_at < now() - make_interval(days => %(days)s)
            ORDER BY created_at
            LIMIT %(limit)s
        ))
        """,
        {"days": days, "limit": limit},
    )
    return cursor.rowcount


async def fill_reference(connection: AsyncConnection, model: str, first: int) -> None:
    """Counts a model's first answers by tenths of confidence, if that was not done and there are enough."""
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
    """A model's first answers by tenths of confidence, and the last of their ids."""
    cursor = await connection.execute(
        "SELECT reference, reference_end FROM models WHERE version = %(model)s AND reference IS NOT NULL",
        {"model": model},
    )
    return await cursor.fetchone()


async def count_latest_confidences(connection: AsyncConnection, model: str, after: int, latest: int) -> list[int]:
    """Of a model's answers with an id above `after` the `latest` ones, by tenths of confidence: 10 counts."""
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
    """All of the log, oldest first."""
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


async def find_schema_version(connection: AsyncConnection) -> int | None:
    """The newest migration that has run; None where there are no tables, or those of a release before migrations."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
        if not await cursor.fetchone():
            return None
        await cursor.execute("SELECT max(version) FROM schema_migrations")
        return await cursor.fetchone()


async def is_read_only(connection: AsyncConnection) -> bool:
    """A standby is, and a server that is set to be."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT current_setting('transaction_read_only')::boolean")
        return bool(await cursor.fetchone())


async def try_to_write(connection: AsyncConnection) -> None:
    """Stores a row as large as a detailed sketch, and takes it back. Raises psycopg.Error."""
    async with connection.transaction(force_rollback=True):
        await connection.execute(
            """
            INSERT INTO submissions (request_sha256, image, prediction, confidence, unsure, probabilities, model)
            VALUES (%(sha256)s, %(image)s, 0, 0, true, array_fill(0, ARRAY[10]), 'none')
            """,
            # random: it is not to shrink when it is compressed
            {"sha256": bytes(32), "image": b"\x89PNG" + os.urandom(16_384)},
        )
