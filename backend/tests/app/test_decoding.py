"""Decoding in separate processes: the same sketches, within limits, and nothing left over from cancelled requests."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app import decoding, imaging
from app.config import BACKEND
from app.errors import BlankImage, Busy, ImageTooLarge, MalformedImage, NotAnImage, PictureTooComplex
from tests import hostile
from tests.drawings import draw, encode
from tests.hostile import many_scans
from tests.scenes import FILES

HEAVY = many_scans(99, 3000)  # the most that is allowed


def run(work: Coroutine) -> Any:
    return asyncio.run(work)


def forked() -> set[str]:
    """The pids of the decoding processes."""
    server = decoding.FORKS._process.pid
    return set(subprocess.run(["pgrep", "-P", str(server)], capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("name", ["jpeg", "webp", "gif", "bmp", "png 16 bit", "jpeg cmyk"])
def test_sketch_is_that_of_imaging(name):
    np.testing.assert_array_equal(run(decoding.decode(FILES[name](4))), imaging.read(FILES[name](4)))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"hello", NotAnImage),
        (encode(draw(3), "JPEG")[:900], MalformedImage),
        (encode(Image.new("1", (10_000, 5_000))), ImageTooLarge),
        (hostile.empty_chunks(100_000 * 12), PictureTooComplex),
        (encode(np.full((900, 900), 255, np.uint8), "JPEG"), BlankImage),
    ],
)
def test_error_is_that_of_imaging(data, error):
    with pytest.raises(error):
        run(decoding.decode(data))


@pytest.mark.parametrize("limit", ["forks.CPU_S = 1; forks.imaging.read = endless", "forks.MEMORY = 20_000_000"])
def test_picture_over_the_cpu_or_memory_limit_is_too_complex(monkeypatch, limit):
    """In a fork server of its own, whose limits are lower."""
    code = f"""from app import forks
def endless(data):
    while True: pass
{limit}
forks.main()"""
    monkeypatch.setattr(decoding, "PROGRAM", ["-c", code])
    monkeypatch.setattr(decoding, "FORKS", decoding.ForkServer())
    with pytest.raises(PictureTooComplex):
        run(decoding.decode(encode(Image.fromarray(draw(3, 1000)).resize((5000, 5000))), 60))


def test_cancelling_ends_the_process_at_once():
    async def main() -> None:
        await decoding.decode(encode(draw(3), "JPEG"))  # the fork server has started
        before = forked()
        reading = asyncio.ensure_future(decoding.decode(HEAVY))
        while not forked() - before:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        reading.cancel()
        await asyncio.sleep(0.3)
        assert not forked() - before

    run(main())


def test_slow_picture_makes_way_for_a_waiting_client(monkeypatch):
    monkeypatch.setattr(decoding, "FAIR_S", 0.05)
    with pytest.raises(Busy):
        run(decoding.decode(HEAVY, wanted=lambda: True))


def test_busy_machine_is_not_blamed_on_the_picture():
    with pytest.raises(Busy):
        run(decoding.decode(HEAVY, 0.1))


def test_fork_server_that_was_killed_is_started_again():
    data = encode(draw(3), "JPEG")
    run(decoding.decode(data))
    decoding.FORKS._process.kill()
    decoding.FORKS._process.wait()
    assert run(decoding.decode(data)).shape == (280, 280)


VICTIM = """
import asyncio, os, signal, subprocess
from app import decoding
from tests.hostile import many_scans

def children(pid):
    return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout

async def main():
    reading = asyncio.ensure_future(decoding.decode(many_scans(99, 3000), 60))
    await asyncio.sleep(0.1)
    server = decoding.FORKS._process.pid
    while not children(server):
        await asyncio.sleep(0.02)
    print(server, children(server), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_processes_end_with_the_server():
    command = [sys.executable, "-c", VICTIM]
    done = subprocess.run(command, cwd=BACKEND, capture_output=True, text=True, timeout=60)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    deadline = time.monotonic() + 2  # the picture takes longer
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
