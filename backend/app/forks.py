"""Forks a process for each picture, with the decoders already loaded. decoding.py starts it and sends it connections.

A fork takes milliseconds where a new Python takes most of a second, and the memory for a picture is freed with its
process. (multiprocessing's fork server would import the main program, the server, again for each picture; anyio's
worker processes start a new Python after each one that was killed.)

python -m app.forks     standard input is a Unix socket; ends when that is closed
"""

import fcntl
import io
import os
import resource
import signal
import socket
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from app import imaging
from app.errors import AppError

LENGTH = 8  # bytes of the length that precedes each picture
ALARM_S = 7  # longer than the server waits; ends the process if the server is gone
NICENESS = 15  # the server's own work comes first
CPU_S = 3  # what passes screening.py takes 1 s at most
MEMORY = 700_000_000  # bytes; the most is 640 MB, for 40 megapixels of WebP


def main() -> None:
    Image.init()  # all of Pillow's plug-ins, else each process would load them when a file is not a picture
    _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no exit status is needed, so leave no zombies
    warnings.simplefilter("ignore")  # of Pillow about damaged files: any client could fill the log
    control = socket.socket(fileno=0)
    while fds := socket.recv_fds(control, 1, 1)[1]:
        with socket.socket(fileno=fds[0]) as connection:
            if os.fork() == 0:
                _limit()
                _serve(connection)
                os._exit(0)


def _warm_up() -> None:
    """What NumPy and OpenCV load on first use takes longer than decoding a photo."""
    photo = np.tile(np.linspace(120, 220, 300), (300, 1)).astype(np.uint8)
    photo[100:200, 140:150] = 30
    imaging.to_sketch(Image.fromarray(photo))


def _limit() -> None:
    signal.alarm(ALARM_S)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    if (statm := Path("/proc/self/statm")).exists():
        most = int(statm.read_text().split()[5]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _serve(connection: socket.socket) -> None:
    """Reads a picture's bytes, and answers with the sketch as .npy or with the name of an error."""
    with connection.makefile("rb") as stream:
        data = stream.read(int.from_bytes(stream.read(LENGTH), "big"))
    _end_with(connection)
    connection.sendall(_decode(data))


def _end_with(connection: socket.socket) -> None:
    """From now on, the process is killed when the other end is closed: the system sends SIGIO."""
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)
    try:
        connection.recv(1, socket.MSG_DONTWAIT)  # nothing comes but the end, which may have come before
        os._exit(1)
    except BlockingIOError:
        return


def _decode(data: bytes) -> bytes:
    try:
        sketch = imaging.read(data)
    except AppError as e:
        return type(e).__name__.encode()
    file = io.BytesIO()
    np.save(file, sketch)
    return file.getvalue()


if __name__ == "__main__":
    main()
