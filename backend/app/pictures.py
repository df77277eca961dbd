"""Imports a ZIP of pictures, labelled by folder or by name: `2/anna.png`, `7-anna.jpg`, `none/house.png`."""

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import IO
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from app import archive, imaging
from app.errors import AppError, BadArchive
from app.recognizer import Recognizer
from app.schemas.submissions import Label, LeftOut
from app.store.archive import Restored

Read = Callable[[bytes], np.ndarray]

MAX_PICTURES = 10_000  # the model reads this many in about half a minute
MAX_PICTURE = 10_000_000  # bytes

NOT_A_DIGIT = {"none", "not a digit"}
BEGINNING = re.compile(r"(\d|none|not a digit)(?![^\W_])")  # not 3fa85f64.png or 12.png
JUNK = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)  # files that operating systems add

UNLABELLED = "Neither its folder nor its name says which digit it is."
NOTHING = (
    "Neither the labels.csv of an export was found, nor a picture whose folder or name says its digit, "
    "such as 2/anna.png or 7-anna.jpg."
)


def unpack(file: IO[bytes], model: Recognizer, read: Read = imaging.read) -> Iterator[Restored | LeftOut]:
    """Each picture with the model's prediction, or why it is left out. `read` is imaging.read or does the same.

    The same picture with the same label always gets the same id, so that importing it again adds nothing. Raises
    BadArchive, possibly after some pictures.
    """
    try:
        with archive.opened(file) as opened:
            names = [entry.filename for entry in opened.infolist() if _counts(entry)]
            if len(names) > MAX_PICTURES:
                raise BadArchive(f"There are more than {MAX_PICTURES:,} pictures: import them in parts.")
            if not any(map(label_of, names)):
                raise BadArchive(NOTHING)
            for name in names:
                yield _read(opened, name, model, read)
    except BadArchive:
        raise
    except Exception as e:  # zipfile and zlib raise many kinds of errors on damaged files
        raise BadArchive("The ZIP is damaged.") from e


def label_of(name: str) -> Label | None:
    """The label of the innermost folder that names one, else the one at the start of the file's name."""
    path = PurePosixPath(_plain(name))
    for folder in reversed(path.parts[:-1]):
        if re.fullmatch(r"\d", folder) or folder in NOT_A_DIGIT:
            return _label(folder)
    begins = BEGINNING.match(path.name)
    return _label(begins[1]) if begins else None


def _plain(name: str) -> str:
    """`Not-a_digit\\X.PNG` becomes `not a digit/x.png`; separators after a digit are kept."""
    return re.sub(r"not[-_ ]a[-_ ]digit", "not a digit", name.replace("\\", "/").lower())


def _label(word: str) -> Label:
    return Label.NOT_A_DIGIT if word in NOT_A_DIGIT else Label(word)


def _counts(entry: zipfile.ZipInfo) -> bool:
    return not entry.is_dir() and not JUNK.search(entry.filename)


def _read(opened: zipfile.ZipFile, name: str, model: Recognizer, read: Read) -> Restored | LeftOut:
    label = label_of(name)
    if label is None:
        return LeftOut(file=name, reason=UNLABELLED)
    try:
        with archive.open_file(opened, name, MAX_PICTURE) as file:
            data = file.read()
        sketch = read(data)
        reading = model.read(imaging.prepare(sketch))
    except AppError as e:
        return LeftOut(file=name, reason=e.detail)
    digest = hashlib.sha256(label.encode() + b"\0" + data).digest()
    return Restored(
        id=uuid5(NAMESPACE_OID, digest.hex()),
        created_at=datetime.now(UTC),
        request_sha256=digest,
        image=imaging.to_png(sketch),
        prediction=reading.digit,
        confidence=repr(reading.confidence),
        unsure=reading.unsure,
        probabilities=[repr(probability) for probability in reading.probabilities],
        model=model.version,
        true_label=label.digit,
        status="pending",
    )
