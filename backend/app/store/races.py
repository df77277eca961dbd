"""Races between a candidate and the model that serves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from app.schemas.models import Race
from app.store.rows import fetch_one

# for which a submission of an earlier transaction may still appear
OVERLAP = timedelta(minutes=1)


class RunningRace(NamedTuple):
    id: int
    challenger: str
    champion: str
    started_at: datetime
    read_until: datetime
    won: int
    lost: int
    to_review: int


class Unread(NamedTuple):
    """A submission that neither model has read."""

    id: UUID
    created_at: datetime
    visit: UUID | None
    image: bytes


class NewReading(NamedTuple):
    """The predictions, or None for an unreadable picture. `counts`: neither model has learned from it."""

    submission: UUID
    challenger: int | None
    champion: int | None
    counts: bool


class Score(NamedTuple):
    """`won`, `lost`: approved digits that the challenger, or the champion, alone read right; copies count once."""

    won: int
    lost: int
    to_review: int


async def start(connection: AsyncConnection, challenger: str, champion: str) -> int | None:
    """The new race's id; None if one against this champion is running. One against another champion becomes void."""
    await connection.execute(
        """
        UPDATE races SET outcome = 'void', ended_at = now() WHERE outcome IS NULL AND champion <> %(champion)s
        """,
        {"champion": champion},
    )
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            """
            INSERT INTO races (challenger, champion) VALUES (%(challenger)s, %(champion)s)
            ON CONFLICT DO NOTHING
            RETURNING id
            """,
            {"challenger": challenger, "champion": champion},
        )
        return await cursor.fetchone()


async def lock_running(connection: AsyncConnection) -> RunningRace | None:
    """Locks the current race until the transaction ends. None if there is none, or it is locked."""
    async with connection.cursor(row_factory=class_row(RunningRace)) as cursor:
        await cursor.execute(
            """
            SELECT id, challenger, champion, started_at, read_until, won, lost, to_review
            FROM races
            WHERE outcome IS NULL
            FOR UPDATE SKIP LOCKED
            """
        )
        return await cursor.fetchone()


async def find_unread(connection: AsyncConnection, race: RunningRace, limit: int) -> list[Unread]:
    """The oldest unread submissions of those made since the race began, or pending."""
    async with connection.cursor(row_factory=class_row(Unread), binary=True) as cursor:
        await cursor.execute(
            """
            SELECT id, created_at, visit, image
            FROM submissions
            WHERE created_at > %(after)s AND (status = 'pending' OR created_at > %(started_at)s)
                  AND NOT EXISTS (SELECT FROM race_readings WHERE race = %(race)s AND submission = submissions.id)
            ORDER BY created_at, id
            LIMIT %(limit)s
            """,
            {"race": race.id, "after": race.read_until - OVERLAP, "started_at": race.started_at, "limit": limit},
            prepare=False,  # planned for these times, after which there are few
        )
        return await cursor.fetchall()


async def insert_readings(connection: AsyncConnection, race: int, readings: Sequence[NewReading]) -> None:
    """Leaves out submissions that have been deleted."""
    columns = [list(column) for column in zip(*readings, strict=True)] or [[], [], [], []]
    await connection.execute(
        """
        INSERT INTO race_readings (race, submission, challenger, champion, counts)
        SELECT %(race)s, id, read.challenger, read.champion, read.counts
        FROM unnest(%(ids)s::uuid[], %(challenger)s::smallint[], %(champion)s::smallint[], %(counts)s::boolean[])
             AS read (id, challenger, champion, counts)
        JOIN submissions USING (id)
        ON CONFLICT DO NOTHING
        """,
        {"race": race} | dict(zip(("ids", "challenger", "champion", "counts"), columns, strict=True)),
    )


async def add_read(connection: AsyncConnection, race: int, read: int, until: datetime | None) -> None:
    """Adds to the number that were read, up to the time `until`; None, or a time in the future: all until now."""
    await connection.execute(
        """
        UPDATE races
        SET read = read + %(read)s, read_until = least(now(), greatest(read_until, coalesce(%(until)s, now())))
        WHERE id = %(race)s
        """,
        {"race": race, "read": read, "until": until},
    )


async def count_score(connection: AsyncConnection, race: int) -> Score:
    """By the current labels."""
    async with connection.cursor(row_factory=class_row(Score)) as cursor:
        await cursor.execute(
            """
            WITH contested AS MATERIALIZED (
                SELECT submission AS id, challenger, champion
                FROM race_readings
                WHERE race = %(race)s AND counts AND challenger <> champion
            ), labelled AS (  -- an array: the planner does not know how few they are, and would read all submissions
                SELECT id, status, true_label, image FROM submissions WHERE id = ANY(ARRAY(SELECT id FROM contested))
            )
            SELECT count(DISTINCT image) FILTER (WHERE status = 'approved' AND challenger = true_label)::int AS won,
                   count(DISTINCT image) FILTER (WHERE status = 'approved' AND champion = true_label)::int AS lost,
                   count(*) FILTER (WHERE status = 'pending')::int AS to_review
            FROM contested JOIN labelled USING (id)
            """,
            {"race": race},
        )
        return await fetch_one(cursor)


async def update_score(connection: AsyncConnection, race: int, score: Score, outcome: str | None) -> None:
    """`outcome`: for the challenger; None while the race goes on."""
    await connection.execute(
        """
        UPDATE races
        SET won = %(won)s, lost = %(lost)s, to_review = %(to_review)s, outcome = %(outcome)s,
            ended_at = CASE WHEN %(outcome)s::text IS NOT NULL THEN now() END
        WHERE id = %(race)s
        """,
        score._asdict() | {"race": race, "outcome": outcome},
    )


async def list_latest(connection: AsyncConnection) -> list[Race]:
    """The latest race of each challenger."""
    async with connection.cursor(row_factory=class_row(Race)) as cursor:
        await cursor.execute(
            """
            SELECT DISTINCT ON (challenger) challenger, champion, started_at, ended_at, outcome, read, won, lost,
                   to_review
            FROM races
            ORDER BY challenger, id DESC
            """
        )
        return await cursor.fetchall()
