"""Background tasks continue after errors."""

import asyncio
from contextlib import suppress

import pytest

from app import background
from app.errors import DatabaseUnavailable

MESSAGE = "The work failed."


def attempt(outcome: float | Exception | None) -> float:
    async def work() -> float | None:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return asyncio.run(background.attempt(work, 2.0, MESSAGE))


def test_work_returns_the_pause_before_its_next_run():
    assert attempt(0.5) == 0.5
    assert attempt(None) == 2.0


def test_a_database_that_is_away_is_no_error(caplog: pytest.LogCaptureFixture):
    assert attempt(DatabaseUnavailable()) == 2.0
    assert not caplog.records


def test_any_other_error_is_logged_and_the_work_pauses(caplog: pytest.LogCaptureFixture):
    assert attempt(ValueError("a bug")) == background.AFTER_ERROR_S
    assert MESSAGE in caplog.text
    assert "a bug" in caplog.text


def test_work_is_repeated_after_an_error():
    async def run() -> int:
        runs = 0
        third = asyncio.Event()

        async def work() -> float:
            nonlocal runs
            runs += 1
            if runs == 3:
                third.set()
            if runs == 1:
                raise ValueError("a bug")
            return 0.0

        async with background.running(background.repeat(work, 60, MESSAGE, after_error_s=0)):
            await asyncio.wait_for(third.wait(), 5)
        return runs

    assert asyncio.run(run()) >= 3


def test_work_ends_even_if_it_loses_a_cancellation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(background, "CANCEL_AGAIN_S", 0.01)

    async def run() -> None:
        async def work() -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await asyncio.sleep(60)

        async with background.running(work()):
            await asyncio.sleep(0)  # so that it has begun

    asyncio.run(asyncio.wait_for(run(), 5))


def test_error_of_the_work_is_raised_at_the_end():
    async def run() -> None:
        async def work() -> None:
            raise ValueError("a bug")

        async with background.running(work()):
            await asyncio.sleep(0)

    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(run())
