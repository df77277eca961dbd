"""The model that ships is sure of clear digits, and unsure of what is not a digit."""

import numpy as np

from app.errors import BlankImage
from app.imaging import prepare
from tests.behaviour import nondigits
from tests.drawings import draw


def test_what_is_no_digit_is_unsure(model):
    pictures = nondigits.make(500, seed=1)
    unsure = []
    for _, picture in pictures:
        try:
            unsure.append(model.recognize(picture).unsure)
        except BlankImage:  # nothing was answered
            unsure.append(True)
    assert np.mean(unsure) >= 0.95
    for kind in {kind for kind, _ in pictures}:  # none is a gap that the others hide
        assert np.mean([u for u, (k, _) in zip(unsure, pictures, strict=True) if k == kind]) >= 0.85, kind


def test_clear_digits_are_read_with_confidence(model):
    sketches = [draw(digit, **how) for digit in range(10) for how in ({}, {"pen": 0.07}, {"slant": 8})]
    readings = [model.read(prepare(sketch)) for sketch in sketches]
    assert np.mean([reading.unsure for reading in readings]) <= 0.1
    assert np.median([reading.confidence for reading in readings]) > 0.95
