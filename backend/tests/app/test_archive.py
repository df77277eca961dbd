"""The ZIP itself, without a database: how it is written, and what is refused."""

import asyncio
import csv
import io
import random
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from app import archive
from app.archive import COLUMNS, unpack
from app.errors import BadArchive
from app.export import pack
from app.schemas.submissions import Submission
from tests.drawings import draw, encode, seven
from tests.hostile import empty_chunks

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def submission(number: int, **changes) -> Submission:
    row = {
        "id": UUID(int=number),
        "created_at": NOON,
        "prediction": 7,
        "confidence": 0.95,
        "unsure": False,
        "probabilities": [0.0] * 7 + [0.95, 0.0, 0.05],
        "model": "m-1",
        "true_label": 7,
        "correct": True,
        "status": "approved",
    }
    return Submission(**row | changes)


def packed(submissions: list[Submission], images: list[bytes]) -> bytes:
    async def rows():
        for each in submissions:
            yield each

    async def sketches():
        for each, image in zip(submissions, images, strict=True):
            yield each.id, image

    async def run() -> bytes:
        return b"".join([piece async for piece in pack(rows(), sketches())])

    return asyncio.run(run())


def good() -> dict[str, bytes]:
    """The files of a good archive of three, by name."""
    three = [submission(n) for n in range(3)]
    with zipfile.ZipFile(io.BytesIO(packed(three, [encode(draw(n)) for n in range(3)]))) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def edited(column: str, value: str, row: int = 1) -> bytes:
    """A good archive, but for one field."""
    files = good()
    lines = list(csv.reader(io.StringIO(files["labels.csv"].decode())))
    lines[row][COLUMNS.index(column)] = value
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return zipped(files | {"labels.csv": text.getvalue().encode()})


def read(data: bytes) -> list:
    return list(unpack(io.BytesIO(data)))


def refused(data: bytes) -> str:
    tracemalloc.reset_peak()  # what making it took does not count
    with pytest.raises(BadArchive) as problem:
        read(data)
    return problem.value.detail


# --- writing ----------------------------------------------------------------------------------------


def test_labels_come_first_and_every_sketch_is_there():
    files = good()
    assert list(files) == ["labels.csv", *[f"sketches/{UUID(int=n)}.png" for n in range(3)]]
    assert [files[f"sketches/{UUID(int=n)}.png"] for n in range(3)] == [encode(draw(n)) for n in range(3)]


def test_labels_are_what_the_readme_says():
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    rows = [
        submission(1, created_at=berlin, visit=UUID(int=5)),
        submission(2, true_label=None, correct=None, unsure=True),
    ]
    with zipfile.ZipFile(io.BytesIO(packed(rows, [b"", b""]))) as file:
        first, second = csv.DictReader(io.StringIO(file.read("labels.csv").decode()))
    assert list(first) == COLUMNS
    assert first == {
        "id": str(UUID(int=1)),
        "file": f"sketches/{UUID(int=1)}.png",
        "created_at": "2026-03-01T12:00:00+00:00",
        "true_label": "7",
        "status": "approved",
        "prediction": "7",
        "confidence": "0.95",
        "unsure": "false",
        "model": "m-1",
        "p7": "0.95",
        "p9": "0.05",
        "visit": str(UUID(int=5)),
    } | {f"p{n}": "0.0" for n in (0, 1, 2, 3, 4, 5, 6, 8)}
    assert (second["true_label"], second["unsure"], second["visit"]) == ("none", "true", "")


def test_export_of_an_older_release_is_read():
    files = good()
    rows = list(csv.DictReader(io.StringIO(files["labels.csv"].decode())))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS[:-1], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    assert [row.visit for row in read(zipped(files | {"labels.csv": text.getvalue().encode()}))] == [None] * 3


def test_no_submissions_make_an_archive_too():
    data = packed([], [])
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["labels.csv"]
    assert read(data) == []


def test_same_sketches_are_the_same_archive():
    assert packed([submission(1)], [seven()]) == packed([submission(1)], [seven()])


@pytest.mark.slow
@pytest.mark.parametrize(
    "count",
    [1, 1000, pytest.param(66_000, marks=pytest.mark.long)],
    ids=["one", "many", "more than a ZIP's 65,535"],
)
def test_table_of_contents_is_right(count):
    data = packed([submission(n) for n in range(count)], [b"picture %d" % n for n in range(count)])
    with zipfile.ZipFile(io.BytesIO(data)) as file, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(file.namelist()) == count + 1
        for entry in file.infolist()[:: max(1, count // 100)]:
            file.read(entry)  # checks its CRC
        if count <= 1000:
            assert file.testzip() is None


@pytest.mark.long
def test_memory_is_flat():
    """Only each sketch's entry in the central directory is kept."""
    sketch, count = bytes(2000), 6_000

    async def rows():
        for number in range(count):
            yield submission(number)

    async def sketches():
        for number in range(count):
            yield UUID(int=number), sketch

    async def run() -> int:
        return sum([len(piece) async for piece in pack(rows(), sketches())])

    tracemalloc.start()
    try:
        assert asyncio.run(run()) > count * len(sketch)
        assert tracemalloc.get_traced_memory()[1] < 1_500_000 + 150 * count
    finally:
        tracemalloc.stop()


# --- reading ----------------------------------------------------------------------------------------


def test_what_was_written_is_read():
    rows = [
        submission(1, confidence=1e-45, probabilities=[1 / 3] * 10),
        submission(2, true_label=None, correct=None, unsure=True, status="pending", model='x",\ty'.replace("\t", "")),
    ]
    first, second = read(packed(rows, [seven(), encode(draw(1))]))
    assert (first.id, first.created_at, first.image) == (UUID(int=1), NOON, seven())
    assert (first.prediction, first.true_label, first.status, first.unsure) == (7, 7, "approved", False)
    assert (float(first.confidence), [float(p) for p in first.probabilities]) == (1e-45, [1 / 3] * 10)
    assert (second.true_label, second.status, second.unsure, second.model) == (None, "pending", True, 'x",y')


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archive_edited_by_hand_is_read(method):
    """With files of file managers, a byte order mark, another order of columns, and additional ones."""
    files = good()
    rows = list(csv.DictReader(io.StringIO(files["labels.csv"].decode())))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*reversed(COLUMNS), "my remarks"], delimiter=",", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows([row | {"my remarks": "a, b", "unsure": "FALSE"} for row in rows])
    labels = b"\xef\xbb\xbf" + text.getvalue().encode()
    data = zipped({"__MACOSX/._labels.csv": b"x", "sketches/": b"", **files, "labels.csv": labels}, method)
    assert read(data) == read(zipped(good()))


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("id", "7", "id"),
        ("id", str(UUID(int=1)), "another row"),
        ("file", "sketches/7.png", "no such file"),
        ("file", "../../labels.csv", "no such file"),
        ("file", "labels.csv", "no PNG"),
        ("file", f"sketches/{UUID(int=1)}.png", "another row"),
        ("created_at", "yesterday", "created_at"),
        ("created_at", "2026-03-01T12:00:00", "created_at"),
        ("created_at", "0001-01-01T00:00:00+23:59", "created_at"),
        ("created_at", "9999-12-31T23:59:59-23:59", "created_at"),
        ("true_label", "", "true_label"),
        ("true_label", "10", "true_label"),
        ("true_label", "None", "true_label"),
        ("status", "maybe", "status"),
        ("prediction", "none", "prediction"),
        ("prediction", "10", "prediction"),
        ("confidence", "nan", "confidence"),
        ("confidence", "1.1", "confidence"),
        ("confidence", "", "confidence"),
        ("p3", "-0.1", "p3"),
        ("p9", "inf", "p9"),
        ("unsure", "perhaps", "unsure"),
        ("model", "", "model"),
        ("model", "a\0b", "model"),
        ("model", "x" * 201, "model"),
    ],
)
def test_bad_row_is_named(column, value, why):
    detail = refused(edited(column, value))
    assert ("row 3" if why == "another row" else "row 2") in detail  # the second of two that are alike is the bad one
    assert why in detail


def written(moment: str) -> str:
    """In ISO format; `in 23 hours`: as a computer with another clock would write it."""
    if moment.startswith("in "):
        return (datetime.now(UTC) + timedelta(hours=int(moment.split()[1]))).isoformat()
    return moment


@pytest.mark.parametrize(
    "moment", ["2000-01-01T05:00:00+14:00", "2100-12-31T23:00:00-05:00", "1999-12-31T23:59:59.999999Z", "in 25 hours"]
)
def test_moment_before_2000_or_in_the_future_is_refused(moment):
    """In UTC, which an export writes: else what was imported could be exported, and not imported again."""
    assert "created_at" in refused(edited("created_at", written(moment)))


@pytest.mark.parametrize("moment", ["1999-12-31T23:00:00-05:00", "2000-01-01T00:00:00Z", "in 23 hours"])
def test_export_of_what_was_imported_can_be_imported(moment):
    moment = written(moment)
    restored = next(row for row in read(edited("created_at", moment)) if row.created_at != NOON)
    again = zipped(good() | {"labels.csv": exported(submission(0, created_at=restored.created_at))})
    assert read(again)[0].created_at == datetime.fromisoformat(moment)


def exported(*rows: Submission) -> bytes:
    with zipfile.ZipFile(io.BytesIO(packed(list(rows), [b""]))) as file:
        return file.read("labels.csv")


def test_row_is_counted_as_a_spreadsheet_counts():
    assert "row 4" in refused(edited("status", "maybe", row=3))


@pytest.mark.parametrize("column", COLUMNS[:-1])
def test_missing_column_is_named(column):
    files = good()
    text = files["labels.csv"].decode().replace(column, "other", 1)
    detail = refused(zipped(files | {"labels.csv": text.encode()}))
    assert detail == f"labels.csv lacks the column {column}."


@pytest.mark.parametrize("line", ["a,b", ",".join(["1"] * 30)], ids=["short", "long"])
def test_row_of_another_length_is_refused(line):
    files = good()
    detail = refused(zipped(files | {"labels.csv": files["labels.csv"] + line.encode() + b"\r\n"}))
    assert "row 5" in detail
    assert "fields" in detail


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"\x89PNG",
        seven()[:-30],
        seven()[:200] + b"damage" + seven()[206:],
        encode(draw(7), "JPEG"),
        encode(draw(7, 281)),
        encode(draw(7, (20, 300))),
        encode(np.zeros((9, 9, 3), np.uint8)),
        seven() + bytes(archive.MAX_SKETCH),
    ],
    ids=["empty", "magic", "cut", "damaged", "JPEG", "large", "high", "in colour", "bytes"],
)
def test_invalid_sketch_is_refused(picture):
    files = good()
    name = next(name for name in files if name.startswith("sketches/"))
    assert "row 2" in refused(zipped(files | {name: picture}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"no ZIP",
        bytes(1000),
        zipped({}),
        zipped({"readme.txt": b"hello"}),
        zipped({"labels.csv": b""}),
        zipped({"labels.csv": b"\xff\xfe" + bytes(100)}),
        zipped({"labels.csv": b"id\n" + b"x" * 200_000}),
        zipped({"folder/" + name: data for name, data in good().items()}),
    ],
    ids=["nothing", "start", "text", "zeros", "empty", "other", "no labels", "UTF-16", "one field", "in a folder"],
)
def test_other_files_are_refused(data):
    assert refused(data)


def test_damaged_archive_is_refused_or_read_as_it_was():
    """Whichever bytes are changed or lost, nothing else happens."""
    dice = random.Random(0)
    whole = packed([submission(n) for n in range(3)], [encode(draw(n)) for n in range(3)])
    wanted = read(whole)
    outcomes = []
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(dice.choice([1, 1, 2, 20])):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        if dice.random() < 0.3:
            del damaged[dice.randrange(len(damaged)) :]
        try:
            outcomes.append(read(bytes(damaged)) == wanted)
        except BadArchive:
            outcomes.append(None)
    assert False not in outcomes
    assert outcomes.count(None) > 200


# --- bombs ------------------------------------------------------------------------------------------


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Fails if much more is unpacked than allowed."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def lying(data: bytes, name: str, size: int) -> bytes:
    """The archive, with another size of that file in its table of contents."""
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b"PK\1\2"
    return data[: at + 24] + struct.pack("<I", size) + data[at + 28 :]


@cache
def bomb(name: str | None = None, method: int = zipfile.ZIP_DEFLATED, size: int = 120_000_000) -> tuple[bytes, str]:
    """A good archive, in which one file, of a row or as named, is a hundred kilobytes of a great many zeros."""
    files = good()
    name = name or next(name for name in files if name.startswith("sketches/"))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for each, data in files.items():
            if each != name:
                archive.writestr(each, data)
        with archive.open(name, "w") as member:
            for _ in range(size // 1_000_000):
                member.write(bytes(1_000_000))
    return file.getvalue(), name


def test_file_that_is_larger_than_a_sketch_is_not_unpacked(little_memory):
    assert "larger" in refused(bomb()[0])


@pytest.mark.long
@pytest.mark.parametrize("size", [0, 1000, 262_144])
def test_file_larger_than_the_archive_says_is_not_unpacked(little_memory, size):
    assert "row 2" in refused(lying(*bomb(), size))


@pytest.mark.long
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_file_of_another_compression_method_is_not_unpacked(little_memory, method):
    data, name = bomb(method=method)
    assert "Deflate" in refused(lying(data, name, 1000))


@pytest.mark.long
def test_labels_of_one_endless_line_are_not_unpacked(little_memory):
    assert refused(bomb("labels.csv")[0])
    refused(lying(*bomb("labels.csv"), 1_000_000))


@pytest.mark.parametrize("repeated", [b",", b'",\n"'], ids=["commas", "a row of many lines"])
def test_row_that_would_occupy_the_interpreter_is_refused(little_memory, repeated):
    data = zipped(good() | {"labels.csv": repeated * 10_000_000})
    assert "more than 100,000 characters" in refused(data)


def test_files_that_are_large_together_are_not_unpacked(little_memory, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED", 10_000)
    assert "Unpacked" in refused(zipped(good() | {"more": bytes(20_000)}))


def test_huge_central_directory_is_not_read(little_memory):
    """400,000 names of no file, in 19 MB: each would take ten times that."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    count = 400_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(entry) * count, 0, 0)
    data = io.BytesIO(entry * count + end)
    tracemalloc.reset_peak()
    with pytest.raises(BadArchive, match="more than 100,000 files"):
        list(unpack(data))


def test_sketch_of_many_chunks_is_refused():
    files = good()
    name = next(name for name in files if name.startswith("sketches/"))
    files[name] = empty_chunks(260_000)
    with pytest.raises(BadArchive, match="no PNG, or damaged"):
        list(unpack(io.BytesIO(zipped(files))))


def test_too_many_sketches_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "MAX_SKETCHES", 2)
    assert "more than 2 files" in refused(zipped(good()))


def test_picture_that_becomes_large_when_decoded_is_refused(little_memory):
    """Its header says 20,000×20,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", 20_000, 20_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(200_000), 9))
    png += chunk(b"IEND", b"")
    assert Image.open(io.BytesIO(png)).size == (20_000, 20_000)
    files = good()
    name = next(name for name in files if name.startswith("sketches/"))
    assert "280×280" in refused(zipped(files | {name: png}))


def test_encrypted_archive_is_refused():
    data = bytearray(zipped(good()))
    for at in (data.index(b"PK\3\4") + 6, data.index(b"PK\1\2") + 8):
        data[at] |= 1
    assert refused(bytes(data))
