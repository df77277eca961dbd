"""The ZIP that submissions are exported to and imported from: labels.csv, then sketches/{id}.png."""

import csv
import hashlib
import io
import struct
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Annotated, Any, BinaryIO
from uuid import UUID

from PIL import Image
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError, field_validator

from app.errors import BadArchive
from app.imaging import KEPT_SIDE
from app.schemas import Label, Status, Submission
from app.store import Restored

LABELS = "labels.csv"
SKETCH = "sketches/{}.png"
PROBABILITIES = [f"p{digit}" for digit in range(10)]
COLUMNS = ["id", "file", "created_at", "true_label", "status", "prediction", "confidence", "unsure", "model"]
COLUMNS += [*PROBABILITIES, "visit"]
LATER = {"visit"}  # what exports of older releases lack

CHUNK = 64 * 1024  # bytes, about, that are sent at once

# of an archive that is read
MAX_SKETCHES = 100_000  # more than 100 MB hold
MAX_SKETCH = 262_144  # bytes, as in the database
MAX_LABELS = 500 * MAX_SKETCHES  # bytes
MAX_UNPACKED = 400_000_000  # bytes, of all that is in it; pictures hardly shrink when they are packed
MAX_CONTENTS = 150 * MAX_SKETCHES  # bytes, of the table of contents; ours has 95 a sketch


# --- writing ----------------------------------------------------------------------------------------


async def pack(
    submissions: AsyncIterator[Submission], sketches: AsyncIterator[tuple[UUID, bytes]]
) -> AsyncIterator[bytes]:
    """The ZIP, piece by piece. All that is kept is its table of contents: 32 bytes a sketch, at the end 127."""
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
            archive.NameToInfo.clear()  # would tell that a name comes twice
            if len(pieces.waiting) > CHUNK:
                yield pieces.take()
    for start in range(0, len(pieces.waiting), CHUNK):
        yield bytes(pieces.waiting[start : start + CHUNK])


class _Pieces:
    """A file to write to, of which `take` hands out what came since the last time."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def write(self, data: bytes) -> int:
        self.waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        taken = bytes(self.waiting)
        self.waiting.clear()
        return taken


class _Lines:
    """What csv writes as text, in a binary file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.encode())


class _Contents:
    """ZipFile's list of what it wrote; a sketch takes 32 bytes in it, where a ZipInfo takes 430."""

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
    entry = zipfile.ZipInfo(name)  # dated 1980: the same sketches are the same archive
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


# --- reading ----------------------------------------------------------------------------------------


def unpack(file: BinaryIO) -> Iterator[Restored]:
    """Its rows, each with its picture. Raises BadArchive, also after some rows.

    What the archive says of its sizes is checked before, and holds while, anything is unpacked.
    """
    try:
        yield from _rows(file)
    except BadArchive:
        raise
    except Exception as e:  # zipfile and what it unpacks with raise what they like on damaged files
        raise BadArchive from e


def is_export(file: BinaryIO) -> bool:
    """Whether the ZIP has labels.csv at its top. Raises BadArchive where it is no ZIP."""
    try:
        with opened(file) as archive:
            return LABELS in archive.NameToInfo
    except BadArchive:
        raise
    except Exception as e:  # as above
        raise BadArchive("This is no ZIP, or it is damaged.") from e


@contextmanager
def opened(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """The ZIP, once its table of contents is known to be bearable. Raises BadArchive and what zipfile raises."""
    with zipfile.ZipFile(_Careful(file)) as archive:
        _check_sizes(archive.infolist())
        yield archive


def _rows(file: BinaryIO) -> Iterator[Restored]:
    with opened(file) as archive:
        seen: set[UUID] = set()
        for number, fields in _read_labels(archive):
            try:
                row = _Row.model_validate(fields | {"probabilities": [fields[column] for column in PROBABILITIES]})
                if row.id in seen:
                    raise BadArchive("The id is that of another row, too.")
                seen.add(row.id)
                yield row.restored(_read_sketch(archive, row.file))
            except ValidationError as e:
                raise BadArchive(f"{LABELS}, row {number}: {_complaint(e)}") from e
            except BadArchive as e:
                raise BadArchive(f"{LABELS}, row {number}: {e}") from e


class _Careful:
    """A file that hands out little at once: ZipFile reads the whole table of contents, however long."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, MAX_CONTENTS + 1) if size >= 0 else MAX_CONTENTS + 1)
        if len(data) > MAX_CONTENTS:
            raise BadArchive(f"The ZIP holds more than {MAX_SKETCHES:,} files.")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_SKETCHES + 1:
        raise BadArchive(f"The ZIP holds more than {MAX_SKETCHES:,} files.")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise BadArchive(f"Unpacked, the ZIP would be larger than {MAX_UNPACKED // 1_000_000} MB.")


def open_file(archive: zipfile.ZipFile, name: str, limit: int) -> zipfile.ZipExtFile:
    """Opens a file of at most so many bytes: reading stops at the size that the archive names."""
    try:
        entry = archive.getinfo(name)
    except KeyError as e:
        raise BadArchive("The ZIP holds no such file.") from e
    if entry.file_size > limit:
        raise BadArchive(f"The file is larger than {limit:,} bytes.")
    # the other methods unpack all that they are given, however much that becomes
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive("The file is packed by another method than Deflate.")
    return archive.open(entry)


def _read_labels(archive: zipfile.ZipFile) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows, with the number that each has in a spreadsheet."""
    if LABELS not in archive.namelist():
        raise BadArchive(f"The ZIP has no {LABELS} at its top.")
    with open_file(archive, LABELS, MAX_LABELS) as file:
        # -sig: some spreadsheets write a byte order mark
        reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        if missing := [column for column in COLUMNS if column not in {*LATER, *(reader.fieldnames or [])}]:
            raise BadArchive(f"{LABELS} lacks the column{'s'[: len(missing) > 1]} {', '.join(missing)}.")
        for row in reader:
            if None in row or None in row.values():
                raise BadArchive(f"{LABELS}, row {reader.line_num}: It has more or fewer fields than the first row.")
            yield reader.line_num, row


Digit = Annotated[int, Field(ge=0, le=9)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Row(BaseModel):
    id: UUID
    file: str
    created_at: AwareDatetime
    true_label: Label
    status: Status
    prediction: Digit
    confidence: Probability
    unsure: bool
    model: Annotated[str, Field(pattern="^[ -~]{1,200}$")]
    probabilities: list[Probability]
    visit: Annotated[UUID | None, BeforeValidator(lambda text: text or None)] = None

    @field_validator("created_at")
    @classmethod
    def _is_of_our_time(cls, created_at: AwareDatetime) -> AwareDatetime:
        if not 2000 <= created_at.year <= 2100:  # the database takes years that Python cannot read again
            raise ValueError("the year is not between 2000 and 2100")
        return created_at

    def restored(self, image: bytes) -> Restored:
        return Restored(
            id=self.id,
            created_at=self.created_at,
            request_sha256=hashlib.sha256(self.true_label.encode() + b"\0" + image).digest(),
            image=image,
            prediction=self.prediction,
            confidence=repr(self.confidence),
            unsure=self.unsure,
            probabilities=[repr(probability) for probability in self.probabilities],
            model=self.model,
            true_label=self.true_label.digit,
            status=self.status,
            visit=self.visit,
        )


def _complaint(error: ValidationError) -> str:
    problem = error.errors()[0]
    name, *rest = problem["loc"]
    return f"{f'p{rest[0]}' if rest else name}: {problem['msg']}."


def _read_sketch(archive: zipfile.ZipFile, name: str) -> bytes:
    """A PNG that opens, byte by byte as it was."""
    try:
        with open_file(archive, name, MAX_SKETCH) as file:
            data = file.read(MAX_SKETCH + 1)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.verify()  # its checksums, which load does not look at
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            side, mode = max(picture.size), picture.mode
            if side <= KEPT_SIDE:  # before it is decoded
                picture.load()
    except BadArchive:
        raise
    except Exception as e:  # as above
        raise BadArchive("The file is no PNG, or damaged.") from e
    if side > KEPT_SIDE or mode != "L":
        raise BadArchive(f"The picture is not greyscale, or larger than {KEPT_SIDE}×{KEPT_SIDE}.")
    return data
