import cv2
import numpy as np
import pytest
import torch

from training.config import Config
from training.data import NO_DIGIT
from training.skeletons import STYLES
from training.strokes import describe, make_digits, make_non_digits


@pytest.fixture(scope="module")
def digits():
    return make_digits(500, seed=7)


@pytest.fixture(scope="module")
def non_digits():
    return make_non_digits(200, seed=7)


def test_there_are_as_many_of_each_digit(digits):
    assert torch.bincount(digits.labels).tolist() == [50] * 10


def test_non_digits_have_no_label(non_digits):
    assert set(non_digits.labels.tolist()) == {NO_DIGIT}


def test_drawings_are_prepared_as_a_sketch_would_be(digits, non_digits):
    for made in (digits, non_digits):
        assert made.images.shape[1:] == (28, 28)
        assert made.images.dtype == torch.uint8
        assert made.images.amax((1, 2)).min() == 255
        longest = torch.maximum(made.images.amax(2).bool().sum(1), made.images.amax(1).bool().sum(1))
        assert longest.max() <= 20


def test_no_two_are_alike(digits):
    assert len({image.numpy().tobytes() for image in digits.images}) == len(digits)


def test_same_seed_gives_the_same_however_many_processes_share_the_work(digits):
    """500 are made here; of 510, other processes make some. Threads that are running must not hang them."""
    cv2.GaussianBlur(np.zeros((3000, 3000), np.uint8), (31, 31), 5)  # in threads
    more = make_digits(510, seed=7)
    assert len(more) == 510
    assert torch.equal(more.images[:500], digits.images)


def test_other_seed_gives_others(digits):
    assert not torch.equal(make_digits(20, seed=8).images, digits.images[:20])


def test_none_are_none():
    assert len(make_digits(0, seed=0)) == len(make_non_digits(0, seed=0)) == 0


def test_writers_are_named_if_their_strokes_were_used():
    config = Config(synthetic_digits=12, non_digits=3)
    assert describe(config, 0) == "12 digits and 3 other drawings by training/strokes.py"
    assert describe(config, 5).startswith(describe(config, 0) + ", 5 digits after 49 writers of UCI's pendigits")
    assert describe(config, 5).endswith("both CC BY 4.0")


@pytest.mark.parametrize("digit", range(10))
def test_every_digit_has_a_style(digit):
    assert STYLES[digit]
    assert all(weight > 0 for _, weight in STYLES[digit])


def test_model_that_ships_reads_them_and_is_less_sure_of_non_digits(digits, non_digits, model):
    of_digits = model.probabilities(digits.images.numpy().astype(np.float32) / 255)
    of_non_digits = model.probabilities(non_digits.images.numpy().astype(np.float32) / 255)
    assert (of_digits.argmax(1) == digits.labels.numpy()).mean() > 0.9
    unsure = model.card.unsure_below
    assert (of_non_digits.max(1) < unsure).mean() > 5 * (of_digits.max(1) < unsure).mean()
