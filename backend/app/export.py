"""Writes the ZIP of an export: labels.csv and sketches/{id}.png."""

import csv
import struct
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import UTC
from typing import IO, Any
from uuid import UUID

from app.archive import COLUMNS, LABELS, SKETCH
from app.schemas.submissions import Submission

CHUNK = 64 * 1024  # bytes, about, that are sent at a time


async def pack(
    submissions: AsyncIterator[Submission], sketches: AsyncIterator[tuple[UUID, bytes]]
) -> AsyncGenerator[bytes, None]:
    """The ZIP in pieces. Only its central directory is kept in memory: 32 bytes for each sketch, at the end 127."""
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as archive:
        archive.filelist = _Contents()
        with archive.open(_entry(LABELS, zipfile.ZIP_DEFLATED), "w") as file:
            writer = csv.writer(_Lines(file))
            writer.writerow(COLUMNS)
            async for submission in submissions:
                writer.writerow(_to_row(submission))
                if len(pieces.waiting) > CHUNK:
                    yield pieces.take()
        async for submission_id, png in sketches:
            archive.writestr(_entry(SKETCH.format(submission_id)), png)
            archive.NameToInfo.clear()  # only needed to warn of duplicate names
            if len(pieces.waiting) > CHUNK:
                yield pieces.take()
    for start in range(0, len(pieces.waiting), CHUNK):
        yield bytes(pieces.waiting[start : start + CHUNK])


class _Pieces:
    """A file for ZipFile to write to; `take` returns what was written since the last call."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def write(self, data: bytes) -> int:
        self.waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Nothing to close."""

    def take(self) -> bytes:
        taken = bytes(self.waiting)
        self.waiting.clear()
        return taken


class _Lines:
    """The text that csv writes, encoded for a binary file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.encode())


class _Contents(list[zipfile.ZipInfo]):
    """What ZipFile wrote, as the list that it keeps: 100,000 sketches take 3 MB in it, where ZipInfos take 36 MB.

    An export may hold any number of them.
    """

    PACKED = struct.Struct("<16sIIQ")  # id, CRC, size, offset

    def __init__(self) -> None:
        self._others: list[zipfile.ZipInfo] = []
        self._sketches = bytearray()

    def append(self, entry: zipfile.ZipInfo) -> None:
        if entry.filename == LABELS:
            self._others.append(entry)
        else:
            sketch_id = UUID(entry.filename.removeprefix("sketches/").removesuffix(".png"))
            self._sketches += self.PACKED.pack(sketch_id.bytes, entry.CRC, entry.file_size, entry.header_offset)
            self._flag_bits = entry.flag_bits

    def __len__(self) -> int:
        return len(self._others) + len(self._sketches) // self.PACKED.size

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        yield from self._others
        for sketch_id, crc, size, offset in self.PACKED.iter_unpack(self._sketches):
            entry = _entry(SKETCH.format(UUID(bytes=sketch_id)))
            entry.CRC, entry.file_size, entry.compress_size, entry.header_offset = crc, size, size, offset
            entry.flag_bits = self._flag_bits
            yield entry


def _entry(name: str, compression: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # dated 1980: the same sketches give the same archive
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def _to_row(submission: Submission) -> list[Any]:
    return [
        submission.id,
        SKETCH.format(submission.id),
        submission.created_at.astimezone(UTC).isoformat(),
        "none" if submission.true_label is None else submission.true_label,
        submission.status,
        submission.prediction,
        submission.confidence,
        str(submission.unsure).lower(),
        submission.model,
        *submission.probabilities,
        submission.visit,
    ]
