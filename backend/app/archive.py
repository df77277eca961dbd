"""Reads the ZIP that submissions are exported to and imported from: labels.csv and sketches/{id}.png."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Annotated, Any
from uuid import UUID

from PIL import Image
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError, field_validator

from app import screening
from app.errors import BadArchive
from app.imaging import KEPT_SIDE
from app.schemas.submissions import Digit, Label, Status
from app.store.archive import Restored

LABELS = "labels.csv"
SKETCH = "sketches/{}.png"
PROBABILITIES = [f"p{digit}" for digit in range(10)]
COLUMNS = ["id", "file", "created_at", "true_label", "status", "prediction", "confidence", "unsure", "model"]
COLUMNS += [*PROBABILITIES, "visit"]
OPTIONAL = {"visit"}  # columns that exports of older releases lack

# a submission's earliest time, in UTC like the export, and how far ahead of ours another clock may be
FIRST, AHEAD = datetime(2000, 1, 1, tzinfo=UTC), timedelta(days=1)

# limits on an archive that is imported
MAX_SKETCHES = 100_000  # more than fit in 100 MB
MAX_SKETCH = 262_144  # bytes, as in the database
MAX_LABELS = 500 * MAX_SKETCHES  # bytes
MAX_ROW = 100_000  # characters of a row; the csv module holds up everything else while it splits one
MAX_UNPACKED = 400_000_000  # bytes of all files together; PNGs hardly shrink in a ZIP
MAX_CONTENTS = 150 * MAX_SKETCHES  # bytes of the central directory; ours has 95 for each sketch


def unpack(file: IO[bytes]) -> Iterator[Restored]:
    """The rows, each with its picture. Raises BadArchive, possibly after some rows.

    The sizes in the central directory are checked first, and unpacking stops at them.
    """
    try:
        yield from _rows(file)
    except BadArchive:
        raise
    except Exception as e:  # zipfile and zlib raise many kinds of errors on damaged files
        raise BadArchive from e


def is_export(file: IO[bytes]) -> bool:
    """Whether the ZIP has labels.csv at its top. Raises BadArchive if it is not a ZIP."""
    try:
        with opened(file) as archive:
            return LABELS in archive.NameToInfo
    except BadArchive:
        raise
    except Exception as e:  # as above
        raise BadArchive("This is no ZIP, or it is damaged.") from e


@contextmanager
def opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Opens a ZIP, and checks the sizes in its central directory. Raises BadArchive and what zipfile raises."""
    with zipfile.ZipFile(_BoundedFile(file)) as archive:
        _check_sizes(archive.infolist())
        yield archive


def _rows(file: IO[bytes]) -> Iterator[Restored]:
    with opened(file) as archive:
        ids: set[UUID] = set()
        files: set[str] = set()
        for number, fields in _read_labels(archive):
            try:
                row = _Row.model_validate(fields | {"probabilities": [fields[column] for column in PROBABILITIES]})
                if row.id in ids:
                    raise BadArchive("The id is that of another row, too.")
                if row.file in files:  # a small ZIP could fill the database
                    raise BadArchive("The file is that of another row, too.")
                ids.add(row.id)
                files.add(row.file)
                yield row.restored(_read_sketch(archive, row.file))
            except ValidationError as e:
                raise BadArchive(f"{LABELS}, row {number}: {_problem(e)}") from e
            except BadArchive as e:
                raise BadArchive(f"{LABELS}, row {number}: {e}") from e


class _BoundedFile:
    """A file that limits each read: ZipFile reads the whole central directory at once, however large."""

    def __init__(self, file: IO[bytes]) -> None:
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


def open_file(archive: zipfile.ZipFile, name: str, limit: int) -> IO[bytes]:
    """Opens a file of at most `limit` bytes: zipfile stops reading at the size in the central directory."""
    try:
        entry = archive.getinfo(name)
    except KeyError as e:
        raise BadArchive("The ZIP holds no such file.") from e
    if entry.file_size > limit:
        raise BadArchive(f"The file is larger than {limit:,} bytes.")
    # the decompressors of the other methods have no limit on their output
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive("The file is packed by another method than Deflate.")
    return archive.open(entry)


def _read_labels(archive: zipfile.ZipFile) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows, with their line numbers in a spreadsheet."""
    if LABELS not in archive.namelist():
        raise BadArchive(f"The ZIP has no {LABELS} at its top.")
    with open_file(archive, LABELS, MAX_LABELS) as file:
        # utf-8-sig: some spreadsheets write a byte order mark
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        taken = 0

        def lines() -> Iterator[str]:
            nonlocal taken
            while line := text.readline(MAX_ROW + 1):
                taken += len(line)
                if taken > MAX_ROW:  # a quoted field may have many lines
                    raise BadArchive(f"{LABELS} has a row of more than {MAX_ROW:,} characters.")
                yield line

        reader = csv.DictReader(lines())
        if missing := [column for column in COLUMNS if column not in {*OPTIONAL, *(reader.fieldnames or [])}]:
            raise BadArchive(f"{LABELS} lacks the column{'s'[: len(missing) > 1]} {', '.join(missing)}.")
        for row in reader:
            taken = 0
            if None in row or None in row.values():
                raise BadArchive(f"{LABELS}, row {reader.line_num}: It has more or fewer fields than the first row.")
            yield reader.line_num, row


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
    def _is_in_range(cls, created_at: AwareDatetime) -> AwareDatetime:
        if not FIRST <= created_at < datetime.now(UTC) + AHEAD:
            raise ValueError("the time is before the year 2000 or after tomorrow, in UTC")
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


def _problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    name, *rest = problem["loc"]
    return f"{f'p{rest[0]}' if rest else name}: {problem['msg']}."


def _read_sketch(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a PNG that can be decoded."""
    try:
        with open_file(archive, name, MAX_SKETCH) as file:
            data = file.read(MAX_SKETCH + 1)
        screening.check(data)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.verify()  # checks the checksums, which load does not
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            side, mode = max(picture.size), picture.mode
            if side <= KEPT_SIDE:  # checked before decoding
                picture.load()
    except BadArchive:
        raise
    except Exception as e:  # as above
        raise BadArchive("The file is no PNG, or damaged.") from e
    if side > KEPT_SIDE or mode != "L":
        raise BadArchive(f"The picture is not greyscale, or larger than {KEPT_SIDE}×{KEPT_SIDE}.")
    return data
