"""Does the retrainings that are asked for on the Models page, one at a time, until it is stopped.

    uv run python trainer.py                 # on this machine or others, as many as you like
    uv run python trainer.py --epochs 10     # arguments are passed on to retrain.py

They wait in Postgres. After each epoch the checkpoint goes there, too; so when a trainer is stopped, killed or cut
off, another continues from it: at once, or when the lost one has given no sign of life for 15 seconds. Retrainings that
come due by RETRAIN_AFTER are asked for here.
"""

import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker

from app import queue, store
from app.config import get_settings
from app.errors import AlreadyRetraining, NothingToLearn
from training import cli
from training.attempt import Attempt, Failed, Killed

log = logging.getLogger("train")

UPKEEP = "* * * * * */10"  # every ten seconds; the sixth field counts them
LOOK_AGAIN_S = 5
NOTHING_LEFT = {"checkpoint": None, "sketches": None}  # of what it would take to continue


class Stopped(Exception):
    """This trainer was asked to stop: another continues."""


class GoOn(BaseRetryStrategy):
    """Whatever is not the retraining's own fault is tried again, from the last checkpoint."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, Stopped | psycopg.OperationalError | ConnectorException):
            return RetryDecision()
        if isinstance(exception, Killed):
            return RetryDecision(retry_in={"seconds": LOOK_AGAIN_S})
        return None


class Trainer:
    """A worker of the queue."""

    def __init__(self, options: Sequence[str]) -> None:
        self._options = options
        self._app = queue.create_app(get_settings().conninfo)
        self._worker = Worker(
            self._app,
            queues=[queue.RETRAIN, queue.UPKEEP],
            install_signal_handlers=False,
            shutdown_graceful_timeout=0,  # what is under way goes back to the queue
            fetch_job_polling_interval=queue.HEARTBEAT_S,
            update_heartbeat_interval=queue.HEARTBEAT_S,
            stalled_worker_timeout=queue.LOST_S,
        )
        self._stopping = False
        self._attempt: tuple[int, Attempt] | None = None  # the job at work on
        add = self._app.task
        add(self.retrain, name=queue.RETRAIN, queue=queue.RETRAIN, pass_context=True, retry=GoOn())
        upkeep = add(self.look_after, name=queue.UPKEEP, queue=queue.UPKEEP, queueing_lock=queue.UPKEEP, priority=1)
        self._app.periodic(cron=UPKEEP)(upkeep)

    async def work(self) -> None:
        """Until SIGTERM or Ctrl-C; what is under way goes back to the queue. Raises ConnectorException, …"""
        await wait_for_database()
        async with self._app.open_async(), asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            working = group.create_task(self._worker.run())
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self._stop)
            log.info("Waiting for retrainings. Ctrl-C stops this trainer.")
            await working
            watching.cancel()
        if not self._stopping:
            raise ConnectorException("The database was away for a moment.")

    def _stop(self) -> None:
        self._stopping = True
        self._worker.stop()

    # --- the tasks ------------------------------------------------------------------------------------

    async def retrain(self, context: JobContext) -> None:
        job, worker = context.job.id, context.job.worker_id
        log.info("retraining %d", job)
        try:
            await self._try(job, worker)
        except asyncio.CancelledError:
            if context.abort_reason() is AbortReason.USER_REQUEST:
                await self._write(job, worker, **NOTHING_LEFT)
                raise JobAborted from None
            await self._write(job, worker, tries=0)  # it is no fault of the retraining
            raise Stopped from None
        except (Failed, Killed) as e:
            await self._write(job, worker, error=str(e), **(NOTHING_LEFT if isinstance(e, Failed) else {}))
            raise
        except (psycopg.OperationalError, ConnectorException):  # GoOn has it tried again
            raise
        except Exception as e:
            await self._write(job, worker, error=f"The trainer itself failed: {cli.one_line(e) or repr(e)}")
            raise

    async def _try(self, job: int, worker: int) -> None:
        async with self._app.connector.pool.connection() as connection:
            standing = await store.retrainings.begin(connection, job)
        with tempfile.TemporaryDirectory(prefix="retraining-") as folder:

            async def write(**columns: Any) -> None:
                await self._write(job, worker, **columns)

            attempt = Attempt(Path(folder), standing, self._options, write)
            self._attempt = job, attempt
            try:
                await attempt.run()
                await write(stage="", error=None, **NOTHING_LEFT)
            finally:
                self._attempt = None

    async def _write(self, job: int, worker: int, **columns: Any) -> None:
        async with self._app.connector.pool.connection() as connection:
            await store.retrainings.write_progress(connection, job, worker, **columns)

    async def look_after(self, timestamp: int) -> None:
        """Takes care of what lost trainers have left, and asks for a retraining when one is due."""
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=queue.LOST_S):
            with suppress(ConnectorException):  # another trainer was quicker
                await self._take_up(job)
        await manager.delete_old_jobs(nb_hours=1, queue=queue.UPKEEP, include_failed=True, include_aborted=True)
        async with self._app.connector.pool.connection() as connection:
            await store.retrainings.drop_checkpoints(connection)
        await self._ask_if_due()

    async def _take_up(self, job: Job) -> None:
        manager = self._app.job_manager
        if job.queue == queue.UPKEEP:
            return await manager.finish_job(job, Status.FAILED, delete_job=True)
        async with self._app.connector.pool.connection() as connection:
            aborted = await store.retrainings.finish_aborting(connection, job.id)
        if not aborted:
            log.warning("The trainer of retraining %d is lost: another takes it up.", job.id)
            await manager.retry_job(job)

    async def _ask_if_due(self) -> None:
        async with self._app.connector.pool.connection() as connection:
            due = get_settings().retrain_after
            if not due or await store.retrainings.count_newly_approved(connection) < due:
                return
            with suppress(AlreadyRetraining, NothingToLearn):
                async with connection.transaction():
                    await queue.ask(connection, automatic=True)

    # --- is it still ours? ----------------------------------------------------------------------------

    async def _watch(self) -> None:
        """A trainer that slept, or was cut off, may have been considered lost: then its job is another's.

        The same if the database forgot or never heard how a job ended. Either way this process starts over: ended in
        an orderly way, it would write into the queue how "its" job ended.
        """
        astray = 0
        while True:
            await asyncio.sleep(queue.HEARTBEAT_S)
            if self._worker.worker_id is None:
                continue
            async with self._app.connector.pool.connection() as connection:
                jobs = await store.retrainings.find_own_jobs(connection, self._worker.worker_id, queue.RETRAIN)
            mine = [self._attempt[0]] if self._attempt else []
            astray = 0 if jobs == mine else astray + 1  # once may be just before or after
            if jobs is None or astray > 1:
                log.warning("This trainer was considered lost. It starts over.")
                if self._attempt:
                    await self._attempt[1].end()
                start_over()


async def wait_for_database() -> None:
    """Until it answers and is set up; says what is wrong meanwhile, once."""
    said = ""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(get_settings().conninfo, connect_timeout=5) as connection:
                await store.retrainings.count_trainers(connection, queue.LOST_S)
                return
        except psycopg.Error as e:
            if said != (said := cli.one_line(e)):
                log.warning("The database cannot be used, and is tried again every %d seconds: %s", LOOK_AGAIN_S, said)
            await asyncio.sleep(LOOK_AGAIN_S)


def start_over() -> None:
    """As a new process, with a new place in the queue."""
    os.execv(sys.executable, [sys.executable, *sys.argv])


def main() -> None:
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return
    cli.start_logging(log)
    try:
        asyncio.run(Trainer(sys.argv[1:]).work())
    except* (psycopg.Error, ConnectorException) as e:
        log.warning("The database went away: %s", cli.one_line(e.exceptions[0]))
        time.sleep(LOOK_AGAIN_S)
        start_over()


if __name__ == "__main__":
    cli.run(main)
