"""How fast the server is, beside others, on this machine.

    uv run --group benchmark python benchmark.py                       # three minutes; a table, and plots/benchmark.png
    uv run --group benchmark python benchmark.py --seconds 10          # for each figure, instead of 4
    uv run --group benchmark python benchmark.py --json figures.json   # also writes the figures to a file

Side by side in one run: an empty FastAPI route under uvicorn; our server, asked for a grey PNG of 280×280, for that
with the preview that the page shows, and for the same as RGBA, as a browser's canvas gives it; LitServe around our
recogniser; and the usual way to write such a server (FastAPI, torch, weights loaded once, a plain resize). Each on
127.0.0.1, with limits off and without a database, for 1, 8 and 64 clients and 1 and 2 workers. Needs Linux, and wrk
for the load (`apt install wrk`).

wrk shares the cores with the server: requests a second and waiting times are those of this machine with its load.
What compares is the CPU time a request, that of all processes of the server, and how many times that of the empty
route with as many clients and workers it is. Expect at most 7 times for a grey picture, 9 for the page's, both for 8
clients; with 64, a p99 of at most 3 times the p50.
"""

import argparse
import json
import os
import random
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks import wrk
from benchmarks.contenders import Contender, Running, contenders, running
from training import cli

WARM_UP_S = 1
GROUP = "benchmark"  # of pyproject.toml


@dataclass(frozen=True)
class Cell:
    """One server, asked for one thing by a number of clients."""

    server: str
    picture: str
    workers: int
    clients: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float  # a request, of all processes
    times_empty: float  # that, of the empty route's
    failed: int
    resident_mb: float  # of the largest process
    all_resident_mb: float
    startup_s: float


def main() -> None:
    args = parse_arguments()
    wrk.find()
    if missing := [package for package in ("litserve", "uvicorn") if not find_spec(package)]:
        raise cli.Unusable(f"{' and '.join(missing)} missing: uv run --group {GROUP} python benchmark.py")
    cli.make_folder(args.plot.parent)
    cells = []
    for contender in contenders():
        for workers in args.workers:  # one right after the other, since what else the machine does changes in minutes
            cells += measure(contender, workers, args.clients, args.seconds, cells)
    print(table(cells))
    if args.json:
        args.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=2) + "\n")
    from benchmarks.plot import plot  # matplotlib takes a while

    plot(cells, args.plot)
    print(f"\n{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}. The plot is in {args.plot}")


def measure(contender: Contender, workers: int, clients: list[int], seconds: int, before: list[Cell]) -> list[Cell]:
    """`before`: what was measured already, the empty route first."""
    cells = []
    with running(contender, _free_port(), workers) as server:
        for picture, request in contender.requests.items():
            wrk.run(server.port, request, clients=8, seconds=WARM_UP_S)
            for number in clients:
                print(f"{contender.name} {picture}, {workers} workers, {number} clients ...", file=sys.stderr)
                load, cpu_ms = _measure(server, request, number, seconds)
                largest, every = server.resident_mb
                cells.append(
                    Cell(
                        server=contender.name,
                        picture=picture,
                        workers=workers,
                        clients=number,
                        requests_per_s=load.answers / load.seconds,
                        p50_ms=load.p50_ms,
                        p99_ms=load.p99_ms,
                        cpu_ms=cpu_ms,
                        times_empty=cpu_ms / _empty(before, workers, number, cpu_ms),
                        failed=load.failed,
                        resident_mb=largest,
                        all_resident_mb=every,
                        startup_s=server.startup_s,
                    )
                )
    return cells


def _measure(server: Running, request: wrk.Request, clients: int, seconds: int) -> tuple[wrk.Load, float]:
    """(the load, milliseconds of CPU a request)"""
    before = server.cpu_seconds
    load = wrk.run(server.port, request, clients, seconds)
    if not load.answers:
        raise cli.Unusable(f"No answer from the server in {seconds} s: more --seconds, or a machine that is less busy")
    return load, 1e3 * (server.cpu_seconds - before) / load.answers


def _empty(cells: list[Cell], workers: int, clients: int, default: float) -> float:
    """The CPU of the empty route, which comes first."""
    found = (cell.cpu_ms for cell in cells if (cell.workers, cell.clients) == (workers, clients))
    return next(found, default)


def table(cells: list[Cell]) -> str:
    """Markdown."""
    lines = [
        "| server | picture | workers | clients | requests/s | p50 ms | p99 ms | CPU ms | × empty | MB, largest (all) "
        "| start s | failed |",
        "| --- | --- |" + " --- |" * 10,
    ]
    for c in cells:
        lines.append(
            f"| {c.server} | {c.picture} | {c.workers} | {c.clients} | {c.requests_per_s:.0f} | {c.p50_ms:.1f} "
            f"| {c.p99_ms:.1f} | {c.cpu_ms:.2f} | {c.times_empty:.1f} | {c.resident_mb:.0f} ({c.all_resident_mb:.0f}) "
            f"| {c.startup_s:.1f} | {c.failed} |"
        )
    return "\n".join(lines)


def _free_port() -> int:
    """One that the system gives to no outgoing connection."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=cli.whole(1, 60), default=4, help="for each figure")
    parser.add_argument("--clients", type=cli.whole(1, 1000), nargs="+", default=[1, 8, 64], metavar="N")
    parser.add_argument("--workers", type=cli.whole(1, 64), nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to it")
    parser.add_argument("--plot", type=Path, default=Path("plots/benchmark.png"), metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
