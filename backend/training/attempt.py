"""One attempt at a retraining: retrain.py as a separate process, from the last checkpoint that the database holds."""

import asyncio
import json
import os
import signal
import sys
from asyncio import StreamReader, create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.config import BACKEND
from app.queue import TRIES
from app.store.retrainings import Standing

MAX_LOG = 20_000  # characters, as in the database
MAX_CHECKPOINT = 64 * 2**20  # bytes, as in the database
WRITE_S = 2  # between two reports, unless an epoch ends
END_S = 5  # that it may take to end when it is asked to

Write = Callable[..., Awaitable[None]]  # columns of the table retrainings


class Failed(Exception):
    """retrain.py cannot continue; the message is a sentence for people."""


class Killed(Exception):
    """Something ended retrain.py from outside: the machine lacked memory, perhaps."""


class Attempt:
    """Runs retrain.py in a folder of its own, and writes what it says of itself to the database."""

    def __init__(self, folder: Path, standing: Standing, options: Sequence[str], write: Write) -> None:
        """Raises Failed where it was tried often enough."""
        if standing.tries > TRIES:
            raise Failed(f"{TRIES} times in a row it was ended before it had finished an epoch.")
        self._checkpoint, self._only = folder / "checkpoint.pt", folder / "sketches.txt"
        self._curve, self._log, self._write = standing.curve, standing.log, write
        self._said = False  # something that is not in the database yet
        self._only.write_text("\n".join(map(str, standing.sketches or [])))
        if standing.checkpoint:
            self._checkpoint.write_bytes(standing.checkpoint)
            self._add(f"A trainer takes it up again, after epoch {len(self._curve)}.")
        self._command = [
            sys.executable,
            "retrain.py",
            "--progress",
            "--model-path",
            str(folder),
            "--only",
            str(self._only),
            *options,
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Until it is done. Raises Failed and Killed; cancelled, it ends retrain.py first."""
        self._process = await create_subprocess_exec(
            *self._command, cwd=BACKEND, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, limit=2**20
        )
        try:
            async with asyncio.TaskGroup() as group:
                reporting = group.create_task(self._report_now_and_then())
                reading = [
                    group.create_task(self._follow(self._process.stdout, self._heed)),
                    group.create_task(self._follow(self._process.stderr, self._note)),
                ]
                await asyncio.wait(reading)
                reporting.cancel()
            status = await self._process.wait()
        except BaseExceptionGroup as e:
            raise e.exceptions[0] from e
        finally:
            await self.end()
        await self._report()
        if status < 0:
            raise Killed(f"Something ended it (signal {-status}): perhaps the machine has too little memory.")
        if status:
            raise Failed(self._log.strip().rpartition("\n")[2])

    async def end(self) -> None:
        """It and whatever it has started."""
        if self._process is None or self._process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), END_S)
                return

    async def _follow(self, stream: StreamReader, heed: Callable[[str], Awaitable[None]]) -> None:
        async for line in stream:
            await heed(line.decode(errors="replace").replace("\0", "").rstrip())  # Postgres takes no NUL

    async def _heed(self, line: str) -> None:
        """Reads its messages, in JSON; anything else on standard output is for the log."""
        try:
            message = json.loads(line)
        except ValueError:
            return await self._note(line)
        if epoch := message.pop("epoch", None):
            await self._keep(epoch)
        if message:
            await self._write(**message)

    async def _note(self, line: str) -> None:
        print(line, file=sys.stderr)
        self._add(line)

    def _add(self, line: str) -> None:
        self._log = f"{self._log}{line}\n"[-MAX_LOG:]
        self._said = True

    async def _keep(self, epoch: dict[str, Any]) -> None:
        """The curve always reaches as far as the checkpoint."""
        self._curve = [*self._curve[: epoch["epoch"] - 1], epoch]
        checkpoint: bytes | None = self._checkpoint.read_bytes()
        if len(checkpoint) > MAX_CHECKPOINT:
            self._add(f"The checkpoint has {len(checkpoint):,} bytes, too many to keep: another trainer starts again.")
            checkpoint = None
        self._said = False
        await self._write(curve=self._curve, checkpoint=checkpoint, tries=0, log=self._log)

    async def _report_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(WRITE_S)
            await self._report()

    async def _report(self) -> None:
        if self._said:
            self._said = False
            await self._write(log=self._log)
