"""The steps of a drawing; what the canvas makes of them is tested in a browser."""

import pytest

from sketchpad import Sketchpad, Step

ONE, TWO = Step({"objects": [1]}, b"one"), Step({"objects": [1, 2]}, b"two")


@pytest.fixture
def pad() -> Sketchpad:
    pad = Sketchpad()
    pad.add(ONE)
    pad.add(TWO)
    return pad


def test_new_pad_is_empty():
    pad = Sketchpad()
    assert pad.png is None
    assert not pad.can_undo
    assert not pad.can_redo


def test_undo_and_redo_walk_the_strokes(pad):
    pad.undo()
    assert (pad.png, pad.mounted) == (b"one", ONE)
    pad.undo()
    pad.undo()
    assert (pad.png, pad.can_undo) == (None, False)
    pad.redo()
    pad.redo()
    pad.redo()
    assert (pad.png, pad.can_redo) == (b"two", False)


def test_new_stroke_ends_redo(pad):
    pad.undo()
    pad.add(Step({"objects": [1, 3]}, b"three"))
    assert not pad.can_redo
    pad.undo()
    assert pad.png == b"one"


def test_clear_really_clears_and_can_be_undone(pad):
    pad.clear()
    assert (pad.png, pad.mounted) == (None, Step())
    pad.undo()
    assert pad.png == b"two"


def test_every_jump_mounts_another_canvas(pad):
    mounts = [pad.mounts]
    for jump in (pad.undo, pad.redo, pad.clear):
        jump()
        mounts.append(pad.mounts)
    assert len(set(mounts)) == 4


def test_copy_is_the_same_drawing_under_another_key(pad):
    copy = pad.copy()
    assert copy.png == pad.png
    assert copy.key != pad.key
    copy.undo()
    assert (copy.png, pad.png) == (b"one", b"two")
