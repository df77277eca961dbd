"""A class of quick, careless visitors beside one hostile client: is anything lost, and does anybody wait?

    uv run --group crowd python crowd.py                                # 100 visitors for ten minutes
    uv run --group crowd python crowd.py --visitors 10 --minutes 0.5    # a short form

Starts database, backend and page as processes of this machine, on their own ports and data, with limits on. A
visitor draws a stroke every 2 s, which is read four times while it is drawn, and labels the drawing every 8 s; some
sketches are sent twice with one Idempotency-Key, some connections are lost before the answer. Half of them go through
the page's own routes, half straight to the backend. One hostile client sends, all the while, everything that is known
to hold a server up. After a third of the time another model is promoted, after two thirds Postgres is restarted.

Prints how long readings took, what failed, what was stored, and memory. Exit status 1 when a sketch was lost, doubled
or changed, or anybody saw a 500. Expect none of that, and a p99 of readings below 250 ms but for the seconds of the
restart, on two cores that have nothing else to do. Needs Linux.
"""

import argparse
from importlib.util import find_spec

from training import cli


def main() -> None:
    args = parse_arguments()
    if not find_spec("locust"):
        raise cli.Unusable("locust is missing: uv run --group crowd python crowd.py")
    import locust  # noqa: F401, before anything that waits: gevent replaces sockets, threads and sleep

    from benchmarks import lesson, report

    outcome = lesson.run(args.visitors, 60 * args.minutes)
    print(report.text(outcome))
    if faults := report.faults(outcome):
        raise cli.Unusable("; ".join(faults))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=cli.whole(2, 1000), default=100, metavar="N")
    parser.add_argument("--minutes", type=_minutes, default=10.0, metavar="M", help="may be a fraction")
    return parser.parse_args()


def _minutes(text: str) -> float:
    value = float(text)
    if not 0.3 <= value <= 120:
        raise argparse.ArgumentTypeError(f"must be from 0.3 to 120, not {text}")
    return value


if __name__ == "__main__":
    cli.run(main)
