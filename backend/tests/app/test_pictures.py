"""A ZIP of pictures, without a database: which label each has, and what is left out."""

import io

import pytest

from app.errors import BadArchive
from app.pictures import NOTHING, UNLABELLED, label_of, unpack
from app.schemas.submissions import LeftOut
from tests.app.test_archive import bomb, zipped
from tests.calls import blank
from tests.drawings import draw, encode, seven


def read(model, files: dict[str, bytes] | bytes) -> list:
    return list(unpack(io.BytesIO(files if isinstance(files, bytes) else zipped(files)), model))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("2/anna.png", "2"),
        ("ours/7/anna/1.png", "7"),
        ("2/7.png", "2"),
        ("7-anna.jpg", "7"),
        ("class/7_anna.jpg", "7"),
        ("7.png", "7"),
        ("7 (2).PNG", "7"),
        ("none/house.png", "none"),
        ("Not a digit/x.png", "none"),
        ("not-a-digit-3.png", "none"),
        ("none-3.png", "none"),
        ("2\\anna.png", "2"),
        ("12.png", None),
        ("3fa85f64-5717.png", None),
        ("anna-7.png", None),
        ("22/anna.png", None),
        ("nonesuch.png", None),
    ],
)
def test_label_is_in_the_folder_or_begins_the_name(name, label):
    assert label_of(name) == label


def test_pictures_of_every_kind_are_read_by_the_model(model):
    files = {"7/a.png": seven(), "3-b.jpg": encode(draw(3), "JPEG"), "none/c.webp": encode(draw(4), "WEBP")}
    rows = read(model, files)
    assert [(row.true_label, row.prediction, row.status) for row in rows] == [
        (7, 7, "pending"),
        (3, 3, "pending"),
        (None, 4, "pending"),
    ]
    assert {row.model for row in rows} == {model.version}


def test_same_picture_has_the_same_id_and_another_label_another(model):
    same, again, other = read(model, {"7/a.png": seven(), "7-b.png": seven(), "1/a.png": seven()})
    assert same.id == again.id != other.id


def test_what_cannot_be_used_is_left_out_with_its_reason(model):
    files = {
        "7/a.png": seven(),
        "notes.txt": b"hello",
        "1/blank.png": blank(),
        "2/text.png": b"no picture",
        "anna.png": seven(),
    }
    left_out = {each.file: each.reason for each in read(model, files) if isinstance(each, LeftOut)}
    assert left_out == {
        "notes.txt": UNLABELLED,
        "anna.png": UNLABELLED,
        "1/blank.png": "There is no ink on the image.",
        "2/text.png": "This is not a picture that can be read: PNG, JPEG, WebP, GIF and BMP are.",
    }


def test_files_that_operating_systems_add_are_ignored(model):
    junk = dict.fromkeys(("__MACOSX/7/._a.png", "7/.DS_Store", "7/Thumbs.db", "7/desktop.ini"), b"x")
    assert len(read(model, {"7/a.png": seven()} | junk)) == 1


@pytest.mark.parametrize(
    "files", [{}, {"readme.txt": b"hello"}, {"anna.png": seven()}], ids=["empty", "text", "no label"]
)
def test_zip_without_a_labelled_picture_is_refused(model, files):
    with pytest.raises(BadArchive, match=NOTHING[:40]):
        read(model, files)


def test_damaged_or_too_large_archive_is_refused(model):
    whole = zipped({"7/a.png": seven()})
    for data in (whole[:-30], b"no ZIP", bomb()[0]):
        with pytest.raises(BadArchive):
            read(model, data)
