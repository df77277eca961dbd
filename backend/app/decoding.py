"""Decodes pictures that may take long, each in a separate process, which can be killed."""

import asyncio
import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from time import monotonic

import numpy as np
from anyio import from_thread

from app import errors, imaging, screening
from app.config import BACKEND
from app.errors import Busy, PictureTooComplex
from app.forks import LENGTH

LIMIT_S = 4.5  # from the request to its answer
IMPORT_LIMIT_S = 60.0  # the same, for a picture of an import
FAIR_S = 1.0  # of decoding while another client waits
LOOK_S = 0.1  # between two looks at whether one waits


PROGRAM = ["-m", "app.forks"]


def never() -> bool:
    return False


async def decode(data: bytes, limit_s: float = LIMIT_S, wanted: Callable[[], bool] = never) -> np.ndarray:
    """As imaging.read, for any picture. Cancelling it kills the process.

    Raises PictureTooComplex if the picture takes more CPU time or memory than app.forks allows; Busy after `limit_s`,
    when the machine is busy with other work, and after FAIR_S if `wanted` says that another client waits.
    """
    try:
        return _unpack(await asyncio.wait_for(_ask(data, wanted), limit_s))
    except (TimeoutError, OSError) as e:
        raise Busy from e


def read_from_thread(data: bytes) -> np.ndarray:
    """As imaging.read, for a thread that anyio started; waits longer if the machine is busy."""
    return imaging.read(data) if screening.is_quick(data) else from_thread.run(decode, data, IMPORT_LIMIT_S)


async def _ask(data: bytes, wanted: Callable[[], bool]) -> bytes:
    start = monotonic()
    reader, writer = await asyncio.open_unix_connection(sock=FORKS.connect())
    answer = asyncio.ensure_future(reader.read())
    try:
        writer.write(len(data).to_bytes(LENGTH, "big"))
        writer.write(data)
        while not (await asyncio.wait({answer}, timeout=LOOK_S))[0]:
            if monotonic() - start > FAIR_S and wanted():
                raise Busy
        return answer.result()
    finally:
        answer.cancel()
        writer.transport.abort()


def _unpack(answer: bytes) -> np.ndarray:
    """Without pickle, which would let an exploited decoder run code in the server."""
    if answer.startswith(np.lib.format.MAGIC_PREFIX):
        sketch: np.ndarray = np.load(io.BytesIO(answer), allow_pickle=False)
        return sketch
    raise getattr(errors, answer.decode(), PictureTooComplex)  # an empty answer: it was killed


class ForkServer:
    """Starts app.forks on first use. It ends with this process, even if that is killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> socket.socket:
        """A connection to a new process, which is forked as soon as the fork server is running."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"\0"], [theirs.fileno()])
        return ours

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *PROGRAM],
                stdin=theirs.fileno(),
                cwd=BACKEND,
                # no threads: fork does not copy them
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C must only reach the server
            )


FORKS = ForkServer()
