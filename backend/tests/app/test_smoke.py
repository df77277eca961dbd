import numpy as np
import pytest

from app import smoke
from app.recognizer import Recognizer
from tests.models import RUINOUS, variant


class Answering(Recognizer):
    """A network that returns these logits for any picture."""

    def __init__(self, logits: np.ndarray) -> None:
        self._logits, self._temperature, self.unsure_below = logits, 1.0, 0.5

    def logits(self, images: np.ndarray) -> np.ndarray:
        return self._logits[: len(images)]


def test_pictures_are_ten_prepared_digits():
    pictures = smoke.pictures()
    assert (pictures.shape, pictures.dtype) == ((10, 28, 28), np.float32)
    assert pictures.min() == 0
    assert pictures.max() > 0.9
    for picture in pictures:  # as imaging.py leaves them: 20×20, centred
        rows, columns = np.nonzero(picture > 0.1)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)


def test_model_that_ships_reads_all_of_them_surely(model):
    assert smoke.trouble(model) is None
    np.testing.assert_array_less(0.99, model.probabilities(smoke.pictures())[range(10), range(10)])


def test_model_with_slightly_changed_weights_is_fit():
    assert smoke.trouble(Recognizer(*variant(1))) is None


def test_ruined_model_is_not_fit():
    assert "Of ten clear digits" in smoke.trouble(Recognizer(*variant(1, RUINOUS)))


@pytest.mark.parametrize(
    ("logits", "wrong"),
    [
        (np.full((10, 10), np.nan), "not numbers"),
        (np.eye(10, 11), "not ten probabilities"),
        (np.eye(10), "it reads 1"),  # one by one, it reads 0 each time
    ],
)
def test_impossible_predictions_are_reported(logits, wrong):
    assert wrong in smoke.trouble(Answering(logits.astype(np.float32)))


@pytest.mark.parametrize(("right", "fit"), [(7, False), (8, True)])
def test_eight_of_ten_are_enough(monkeypatch, right, fit):
    monkeypatch.setattr(Answering, "read", lambda _, picture: next(readings))
    digits = [*range(right), *[(digit + 1) % 10 for digit in range(right, 10)]]
    readings = iter([type("Reading", (), {"digit": digit}) for digit in digits])
    assert (smoke.trouble(Answering(np.eye(10, dtype=np.float32))) is None) is fit
