import asyncio

import numpy as np
import pytest

from app.batching import MAX_BATCH, Batches
from app.config import BACKEND
from app.imaging import prepare
from app.recognizer import Reading, Recognizer
from tests.conftest import SHIPPED
from tests.drawings import draw, grey

DIGITS = [prepare(grey(draw(digit), 0, 255)) for digit in range(10)]


class Counting(Recognizer):
    """The model that ships; `runs`: the number of pictures in each run of its network."""

    runs: list[int]

    def read_all(self, images: np.ndarray) -> list[Reading]:
        self.runs.append(len(images))
        return super().read_all(images)


@pytest.fixture
def model() -> Counting:
    model = Counting.load(BACKEND / SHIPPED)
    model.runs = []
    return model


def read(*wanted: tuple[Recognizer, np.ndarray]) -> list[Reading | BaseException]:
    async def at_once() -> list[Reading | BaseException]:
        batches = Batches()
        return await asyncio.gather(*(batches.read(*each) for each in wanted), return_exceptions=True)

    return asyncio.run(at_once())


def test_pictures_that_come_together_are_read_in_one_run_each_as_alone(model):
    together = read(*((model, image) for image in DIGITS))
    assert model.runs == [10]
    for image, reading in zip(DIGITS, together, strict=True):
        alone = model.read(image)
        assert reading.digit == alone.digit
        assert reading.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_a_run_is_bounded(model):
    read(*((model, DIGITS[0]) for _ in range(3 * MAX_BATCH)))
    assert model.runs == [MAX_BATCH, MAX_BATCH, MAX_BATCH]


def test_single_picture_does_not_wait(model):
    assert [each.digit for each in read((model, DIGITS[7]))] == [7]
    assert model.runs == [1]


def test_each_picture_is_read_by_the_model_of_its_request(model):
    other = Counting.load(BACKEND / SHIPPED)
    other.runs = []
    readings = read((model, DIGITS[3]), (other, DIGITS[5]), (model, DIGITS[8]))
    assert [each.digit for each in readings] == [3, 5, 8]
    assert (model.runs, other.runs) == ([2], [1])


def test_failure_reaches_every_picture_of_the_run(model):
    bad = np.zeros((5, 5), np.float32)  # a bug
    readings = read((model, bad), (model, DIGITS[1]))
    assert all(isinstance(each, ValueError) for each in readings)


def test_cancelled_request_does_not_affect_the_others(model):
    async def giving_up() -> Reading:
        batches = Batches()
        first, second = (asyncio.ensure_future(batches.read(model, DIGITS[digit])) for digit in (1, 2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(giving_up()).digit == 2
