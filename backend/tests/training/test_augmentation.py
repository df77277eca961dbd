from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.small import small_digits
from training.augmentation import Augmentation, augment
from training.data import as_input

HOW = Augmentation(plain=0)
NONE = Augmentation(plain=0, rotation=0, slant=0, scale=0, aspect=0, shift=0, bend=0, thinner=0, thicker=0)
DIGITS = small_digits(100, seed=0)
IMAGES = as_input(DIGITS.images)


def changed(how: Augmentation, images: torch.Tensor = IMAGES, seed: int = 0) -> torch.Tensor:
    return augment(images.clone(), how, torch.Generator().manual_seed(seed))


def test_shape_type_and_range_stay():
    for n in (1, 7, 100):
        pictures = changed(HOW, IMAGES[:n])
        assert pictures.shape == (n, 1, 28, 28)
        assert pictures.dtype == torch.float32
        assert pictures.min() >= 0
        assert pictures.max() <= 1


def test_same_generator_gives_the_same():
    assert torch.equal(changed(HOW, seed=3), changed(HOW, seed=3))
    assert not torch.equal(changed(HOW, seed=3), changed(HOW, seed=4))


def test_global_seed_plays_no_part():
    torch.manual_seed(1)
    first = changed(HOW)
    torch.manual_seed(2)
    assert torch.equal(changed(HOW), first)


def test_each_picture_is_changed_in_its_own_way():
    pictures = changed(HOW, IMAGES[4:5].repeat(50, 1, 1, 1))
    assert len({picture.numpy().tobytes() for picture in pictures}) == 50


def test_a_share_of_the_pictures_stays_as_it_is():
    pictures = changed(replace(HOW, plain=0.25), IMAGES.repeat(4, 1, 1, 1))
    share = (pictures == IMAGES.repeat(4, 1, 1, 1)).flatten(1).all(1).float().mean()
    assert 0.17 < share < 0.33


def test_given_pictures_are_left_alone():
    images = IMAGES.clone()
    augment(images, HOW, torch.Generator().manual_seed(0))
    assert torch.equal(images, IMAGES)


def test_no_change_asked_for_is_hardly_any():
    pictures = changed(NONE)
    alike = torch.cosine_similarity(pictures.flatten(1), IMAGES.flatten(1))
    assert alike.min() > 0.97


@pytest.mark.parametrize("part", ["rotation", "slant", "scale", "aspect", "shift", "bend", "thinner", "thicker"])
def test_each_part_changes_something(part):
    only = changed(replace(NONE, **{part: getattr(HOW, part)}))
    assert (only - changed(NONE)).abs().mean() > 1e-3


def test_pen_grows_and_shrinks():
    plain = changed(NONE).sum()
    # half of the pictures or more get another pen; the digit is resized against it
    assert changed(replace(NONE, thicker=3)).sum() > 1.1 * plain
    assert changed(replace(NONE, thinner=2)).sum() < 0.95 * plain


def test_digit_stays_in_the_picture():
    pictures = changed(HOW, IMAGES.repeat(5, 1, 1, 1))
    rim = torch.ones(28, 28, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    assert (pictures[:, 0, rim] > 0.5).any(1).float().mean() < 0.1
    assert pictures.amax((1, 2, 3)).min() > 0.9


def test_blank_picture_stays_blank():
    assert not changed(HOW, torch.zeros(20, 1, 28, 28)).any()


def test_augmented_digit_is_still_that_digit(model):
    pictures = changed(HOW, IMAGES.repeat(4, 1, 1, 1))
    answers = model.logits(pictures[:, 0].numpy()).argmax(1)
    assert (answers == np.tile(DIGITS.labels.numpy(), 4)).mean() > 0.93
