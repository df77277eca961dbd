"""A smoke test of ten clear digits that a model must pass before it serves. training/smoke.py drew them."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from app.imaging import SIDE
from app.recognizer import Recognizer

ENOUGH = 8  # of ten; a model that works reads all of them


@cache
def pictures() -> np.ndarray:
    """(10, 28, 28) float32 from 0 to 1: the digits 0 to 9."""
    with Image.open(Path(__file__).with_name("smoke.png")) as strip:
        pixels = np.asarray(strip, np.float32) / 255
    return np.ascontiguousarray(pixels.reshape(SIDE, 10, SIDE).swapaxes(0, 1))


def trouble(model: Recognizer) -> str | None:
    """What is wrong with its predictions; None if nothing is. Raises whatever the network raises."""
    probabilities = model.probabilities(pictures())
    if probabilities.shape != (10, 10):
        return "Its answers are not ten probabilities for each picture."
    if not np.isfinite(probabilities).all():
        return "Its answers are not numbers."
    # one by one: a network may accept ten pictures but not one
    right = sum(model.read(picture).digit == digit for digit, picture in enumerate(pictures()))
    return None if right >= ENOUGH else f"Of ten clear digits it reads {right}."
