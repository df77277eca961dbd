"""Photos that are made by a program: the same every time, and read."""

import io

import pytest
from PIL import Image

from app.config import BACKEND
from app.recognizer import Recognizer
from training import photos
from training.photos import DEVELOPMENT, KINDS, UNSEEN, Outcome, Photo, as_text, read, take

# one of each of these, which is quick; all of them in the slow test
SOME = {"sheet on a grey table": 5, "ruled": 2, "shadows": 4, "fingers": 3, "chalk on a board": 5, "small file": 8}


@pytest.fixture(scope="module")
def model() -> Recognizer:
    return Recognizer.load(BACKEND / "models/default/model.onnx")


def test_photo_is_the_same_every_time_and_another_with_another_seed():
    once, again, other = (take("small file", 7, seed).file for seed in (1, 1, 2))
    assert once == again != other
    assert Image.open(io.BytesIO(once)).format == "JPEG"


@pytest.mark.long
def test_photos_of_several_kinds_are_read(model):
    outcomes = [read(take(kind, digit, DEVELOPMENT), model) for kind, digit in SOME.items()]
    assert sum(each.right for each in outcomes) >= len(SOME) - 1
    assert not any(each.wrong for each in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [DEVELOPMENT, UNSEEN])
def test_nine_of_ten_photos_are_read_and_hardly_any_is_read_wrong_without_being_unsure(model, seed):
    outcomes = [read(photo, model) for photo in photos.make(seed)]
    assert len(outcomes) == 10 * len(KINDS) >= 150
    assert sum(each.right for each in outcomes) >= photos.RIGHT * len(outcomes), as_text(outcomes)
    assert sum(each.wrong for each in outcomes) <= photos.WRONG * len(outcomes), as_text(outcomes)


def test_outcome_counts_as_wrong_only_where_the_model_is_sure():
    photo = Photo("ruled", 3, b"")
    sure, unsure, blank = Outcome(photo, 8, False), Outcome(photo, 8, True), Outcome(photo, None, True)
    assert [each.wrong for each in (sure, unsure, blank)] == [True, False, False]
    assert not any(each.right for each in (sure, unsure, blank))
    assert "0.0% right, 33.3% wrong without being unsure" in as_text([sure, unsure, blank])


def test_file_that_is_no_picture_counts_as_not_read(model):
    assert read(Photo("ruled", 3, b"no picture"), model) == Outcome(Photo("ruled", 3, b"no picture"), None, True)
