"""Copies standard input to a log that stays bounded, as Docker does for containers. Ends when its input does.

    program 2>&1 | python3 db/log_pump.py FILE      # FILE, and FILE.1 to FILE.3, the older ones

A separate, small process, so that the program itself needs to know nothing of files.
"""

import logging
import sys
from logging.handlers import RotatingFileHandler

BYTES = 10_000_000  # of one file
OLD_FILES = 3
LINE_BYTES = 65_536  # a longer line is cut in two


def main(file: str) -> None:
    handler = RotatingFileHandler(file, maxBytes=BYTES, backupCount=OLD_FILES, encoding="utf-8")
    for line in iter(lambda: sys.stdin.buffer.readline(LINE_BYTES), b""):
        handler.emit(logging.makeLogRecord({"msg": line.decode(errors="replace").removesuffix("\n")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
