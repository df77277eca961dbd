"""Races: a challenger reads what people draw alongside the champion, unseen, until one is proved to be better."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import numpy as np
import psycopg
from anyio import to_thread

from app import evidence, imaging, promotion, store
from app.background import repeat, running
from app.card import Verdict
from app.database import DatabasePool, connect
from app.errors import AppError, ModelRefused
from app.held_out import origin
from app.recognizer import Recognizer
from app.registry import Registry
from app.store.races import NewReading, RunningRace, Score, Unread
from app.workers import is_first

log = logging.getLogger("app")

EVERY_S = 3.0
BATCH = 10  # sketches read in a row, each in a few milliseconds on one core
PAUSE_S = 0.2  # between two batches, which leaves time for requests


class Races:
    """Runs in one worker of each backend. A lock in the database lets one backend work on the race at a time."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._challenger: tuple[int, Recognizer] | None = None  # with the race's id

    @asynccontextmanager
    async def racing(self, pool: DatabasePool) -> AsyncIterator[None]:
        """Reads new submissions for the current race in the background, and decides its outcome."""
        message = "Following the race between models failed; retrying in a minute."
        async with running(repeat(partial(self._race, pool), EVERY_S, message)):
            yield

    async def _race(self, pool: DatabasePool) -> float:
        return PAUSE_S if is_first() and await self._turn(pool) else EVERY_S

    async def _turn(self, pool: DatabasePool) -> bool:
        """Returns whether there is more to read now."""
        async with connect(pool) as connection:
            race = await store.races.lock_running(connection)
            if race is None:
                self._challenger = None
                return False
            newest = await store.promotions.find_newest(connection)
            if race.champion != (newest.model if newest else self._registry.shipped):
                return await self._end(connection, race, "void")
            champion = self._registry.current
            if champion.version != race.champion:  # this process has not loaded the promoted model yet
                return False
            try:
                challenger = await self._load(race, connection)
            except ModelRefused as e:
                log.error("%s cannot race: %s", race.challenger, e)
                return await self._end(connection, race, "void")
            more = await _read(connection, race, challenger, champion)
            await self._judge(connection, race)
            return more

    async def _load(self, race: RunningRace, connection: psycopg.AsyncConnection) -> Recognizer:
        if self._challenger is None or self._challenger[0] != race.id:
            stored = await store.models.find(connection, race.challenger)
            if stored is None:
                raise ModelRefused("It is not in the database.")
            self._challenger = race.id, await promotion.load_in_time(stored)
        return self._challenger[1]

    async def _judge(self, connection: psycopg.AsyncConnection, race: RunningRace) -> None:
        score = await store.races.count_score(connection, race.id)
        outcome = _outcome(score)
        if outcome == "won":
            stored = await store.models.find(connection, race.challenger)
            verdict = _passed(stored.verdict if stored else None, race, score)
            await store.models.set_verdict(connection, race.challenger, verdict)
        if outcome:
            await self._end(connection, race, outcome, score)
        elif score != (race.won, race.lost, race.to_review):
            await store.races.update_score(connection, race.id, score, None)

    async def _end(
        self, connection: psycopg.AsyncConnection, race: RunningRace, outcome: str, score: Score | None = None
    ) -> bool:
        score = score or Score(race.won, race.lost, 0)
        await store.races.update_score(connection, race.id, score, outcome)
        log.info("race of %s with %s: %s, %d to %d", race.challenger, race.champion, outcome, score.won, score.lost)
        return False


async def _read(
    connection: psycopg.AsyncConnection, race: RunningRace, challenger: Recognizer, champion: Recognizer
) -> bool:
    """Returns whether there is more to read."""
    unread = await store.races.find_unread(connection, race, BATCH)
    readings = [await to_thread.run_sync(_reading, sketch, challenger, champion) for sketch in unread]
    more = len(unread) == BATCH
    await store.races.insert_readings(connection, race.id, readings)
    await store.races.add_read(connection, race.id, len(readings), unread[-1].created_at if more else None)
    return more


def _reading(sketch: Unread, challenger: Recognizer, champion: Recognizer) -> NewReading:
    try:
        picture = imaging.prepare(imaging.read(sketch.image))
    except AppError:
        return NewReading(sketch.id, None, None, False)
    sketch_origin = origin(sketch.id, sketch.created_at, sketch.visit, picture)
    counts = all(model.card.held_out.covers(sketch_origin) for model in (challenger, champion))
    return NewReading(sketch.id, _digit(challenger, picture), _digit(champion, picture), counts)


def _digit(model: Recognizer, picture: np.ndarray) -> int:
    return int(model.logits(picture[None]).argmax())


def _outcome(score: Score) -> str | None:
    """None while the race is undecided."""
    outcome = evidence.outcome(score.won, score.lost)
    if outcome == "undecided":
        return "given up" if score.won + score.lost >= evidence.TOO_MANY else None
    return {"better": "won", "worse": "lost"}[outcome]


def _passed(before: Verdict | None, race: RunningRace, score: Score) -> Verdict:
    """The gate's verdict after a race that was won, valid against the champion of that race."""
    reason = (
        f"In the race it read {score.won} sketches right that the champion misread, and misread {score.lost} that the "
        f"champion read right: better, beyond chance (evidence of {evidence.wealth(score.won, score.lost):.2g}; "
        f"{evidence.ENOUGH} is enough)."
    )
    return Verdict(
        passed=True,
        champion=race.champion,
        outcome="passed",
        reasons=[reason, *(before.reasons if before else [])],
        figures=(before.figures if before else {}) | {"race": score._asdict()},
    )
