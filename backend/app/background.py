"""Background tasks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from app.errors import DatabaseUnavailable

log = logging.getLogger("app")

AFTER_ERROR_S = 60.0  # so that an unexpected error does not fill the log
CANCEL_AGAIN_S = 1.0


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` as a task inside the `with` block, and cancels it at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():  # a library that is cleaning up may lose a cancellation
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
        with suppress(asyncio.CancelledError):
            task.result()


async def repeat(
    work: Callable[[], Awaitable[float | None]], every_s: float, message: str, after_error_s: float | None = None
) -> None:
    """Runs `work` again and again, as `attempt` does, until it is cancelled."""
    while True:
        await asyncio.sleep(await attempt(work, every_s, message, after_error_s))


async def attempt(
    work: Callable[[], Awaitable[float | None]], every_s: float, message: str, after_error_s: float | None = None
) -> float:
    """Runs `work` once, and returns after how many seconds to run it again: what it returns, or `every_s`.

    An unavailable database may come back. Any other error is a bug or a missing privilege: it is logged with `message`,
    and must not stop the task.
    """
    try:
        pause = await work()
    except DatabaseUnavailable:
        return every_s
    except Exception:
        log.exception(message)
        return AFTER_ERROR_S if after_error_s is None else after_error_s
    return every_s if pause is None else pause
