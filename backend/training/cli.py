"""How every script takes its arguments and ends: what a person can put right is one sentence, not a traceback."""

import argparse
import errno
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from app.errors import AppError
from app.recognizer import ModelFileError

MAX_SEED = 2**32 - 1  # numpy and torch take larger ones, and multiples of this one


class Unusable(ValueError):
    """What a person gave or set up cannot be used; the message is a sentence for them."""


def run(main: Callable[[], None], stopped: str = "Stopped.") -> None:
    """Calls `main`; if it cannot continue, ends with status 1 and a sentence, after Ctrl-C with 130 and `stopped`."""
    try:
        main()
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        raise SystemExit(130) from None
    except (Unusable, AppError, ModelFileError, OSError, ValidationError) as e:
        raise SystemExit(_sentence(e)) from e


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):  # of the settings
        return "; ".join(f"{e['loc'][0]}".upper() + f" is {e['input']!r}: {e['msg']}" for e in error.errors())
    if isinstance(error, OSError) and error.filename:
        user = f" (this runs as user {os.getuid()}, group {os.getgid()})" if error.errno == errno.EACCES else ""
        return f"{error.filename}: {error.strerror}{user}"
    return one_line(error)


def one_line(error: object) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())


def start_logging(log: logging.Logger, file: Path | None = None, mode: str = "a", timed: bool = True) -> None:
    """What `log` says goes to standard error, and to a file if one is given; of other loggers only warnings."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if file:
        handlers.append(logging.FileHandler(file, mode))
    form = "%(asctime)s %(message)s" if timed else "%(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, handlers=handlers)
    log.setLevel(logging.INFO)


def make_folder(path: Path) -> None:
    """Makes it where it is missing. Raises OSError now, and not after hours of training, if it cannot be written to."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


# --- types for argparse, which names the option and ends with status 2 ----------------------------


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def parse(text: str) -> int:
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"must be {low} or more, not {value}")
        if high is not None and value > high:
            raise argparse.ArgumentTypeError(f"must be {high} or less, not {value}")
        return value

    parse.__name__ = "int"  # as argparse says it: invalid int value
    return parse


seed = whole(0, MAX_SEED)


def share(text: str) -> float:
    """A number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {text}")
    return value


def existing(text: str) -> Path:
    """A file or folder that is there."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text} is not there")
    return path
