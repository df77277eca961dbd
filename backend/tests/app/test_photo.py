"""Of a photo, the whole digit is kept, and nothing else."""

from contextlib import suppress

import cv2
import numpy as np
import pytest

from app.errors import BlankImage
from app.imaging import prepare, read, read_drawing, to_png
from app.photo import whiten
from tests.drawings import draw, grey, photo


def on_paper(digit: int, **how) -> np.ndarray:
    """(600, 800) uint8: a photo of dark ink, light from one side."""
    return np.asarray(photo(draw(digit, (800, 600), **how)).convert("L")).copy()


def alike(one: np.ndarray, other: np.ndarray) -> float:
    shifted = [np.roll(other, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(float((one * s).sum() / np.sqrt((one**2).sum() * (s**2).sum())) for s in shifted)


def assert_same_digit(changed: np.ndarray, plain: np.ndarray) -> None:
    assert alike(prepare(whiten(changed)), prepare(whiten(plain))) > 0.95


@pytest.mark.parametrize("digit", [0, 4, 5, 7])
def test_photo_becomes_dark_ink_on_even_white(digit):
    sketch = whiten(on_paper(digit))
    assert (sketch.dtype, sketch.shape) == (np.uint8, (600, 800))
    assert (sketch[[0, -1]] == 255).all()
    assert (sketch == 255).mean() > 0.5
    assert sketch.min() < 20


def test_small_photo_is_no_drawing_and_its_sketch_is_one():
    """So a small photo is searched in a separate process, and its stored sketch is read directly."""
    small = cv2.resize(on_paper(5), (200, 150), interpolation=cv2.INTER_AREA)
    assert read_drawing(to_png(small)) is None
    sketch = read(to_png(small))
    again = read_drawing(to_png(sketch))
    assert again is not None
    assert (again.sketch == sketch).all()
    assert (again.image == prepare(sketch)).all()


@pytest.mark.parametrize("table", [20, 60])
def test_sheet_on_a_table_of_one_grey_is_not_the_ink(table, model):
    """For example, a picture that was pasted onto another."""
    whole = np.full((1100, 1000), table, np.uint8)
    whole[150:950, 200:800] = cv2.rotate(on_paper(5), cv2.ROTATE_90_CLOCKWISE)
    whole = cv2.warpAffine(whole, cv2.getRotationMatrix2D((500, 550), 90 - 5, 1), (1000, 1100), borderValue=table)
    assert model.read(prepare(whole)).digit == 5


@pytest.mark.parametrize("digit", [2, 5, 7])
def test_printed_lines_are_left_out(digit):
    plain = on_paper(digit)
    ruled = plain.astype(int)
    for at in range(40, 600, 70):
        ruled[at : at + 2] -= 40
    assert_same_digit(ruled.clip(0, 255).astype(np.uint8), plain)


@pytest.mark.parametrize("table", [30, 90])
@pytest.mark.parametrize("digit", [3, 5])
def test_table_around_the_sheet_is_left_out(table, digit):
    plain = on_paper(digit, size=0.4)
    outside = np.ones(plain.shape, np.uint8)
    cv2.fillConvexPoly(outside, np.array([(120, 60), (700, 90), (680, 550), (100, 500)]), 0)
    assert_same_digit(np.where(outside > 0, table, plain).astype(np.uint8), plain)


@pytest.mark.parametrize("digit", [1, 6])
def test_finger_at_the_border_is_left_out(digit):
    plain = on_paper(digit, size=0.4)
    held = plain.copy()
    cv2.ellipse(held, (0, 300), (130, 40), 0, 0, 360, 80, -1)
    assert_same_digit(held, plain)


def test_digit_that_fills_the_picture_and_touches_its_border_is_whole():
    touching, clear = on_paper(8, size=0.9), on_paper(8, size=0.6)
    assert alike(prepare(whiten(touching)), prepare(whiten(clear))) > 0.9


@pytest.mark.parametrize("digit", range(10))
def test_chalk_on_a_board_is_as_ink_on_paper(digit):
    rng = np.random.default_rng(0)
    board = (grey(draw(digit, (800, 600)), 220, 70) + rng.normal(0, 4, (600, 800))).clip(0, 255).astype(np.uint8)
    assert alike(prepare(whiten(board)), prepare(draw(digit))) > 0.9


def test_all_digits_of_a_number_stay():
    ink = np.zeros((600, 800), np.uint8)
    for place, digit in enumerate((3, 5, 2)):
        ink = np.maximum(ink, draw(digit, (800, 600), size=0.35, at=(0.25 + 0.25 * place, 0.5)))
    sketch = whiten(np.asarray(photo(ink).convert("L")))
    assert cv2.connectedComponents((sketch < 128).astype(np.uint8))[0] == 1 + 3


def test_ink_hardly_darker_than_the_paper_s_texture_is_none():
    rng = np.random.default_rng(0)
    with pytest.raises(BlankImage):
        whiten((grey(draw(5), 190, 196) + rng.normal(0, 8, (280, 280))).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("side", [(1, 1), (5, 900), (900, 5), (12, 12)])
def test_picture_of_any_shape_is_blank_or_read_without_an_error(side):
    noise = np.random.default_rng(0).integers(0, 256, side).astype(np.uint8)
    with suppress(BlankImage):
        assert whiten(noise).shape == side
