import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from app.config import BACKEND
from app.errors import BlankImage, NotAnImage
from app.imaging import prepare, to_png
from app.recognizer import ModelFileError, Recognizer
from tests.conftest import SHIPPED
from tests.drawings import draw

PICTURES = np.stack([prepare(draw(digit)) for digit in range(10)])


@pytest.fixture
def copy(tmp_path):
    """The shipped model's folder, to be damaged."""
    shutil.copytree((BACKEND / SHIPPED).parent, tmp_path / "model", ignore=shutil.ignore_patterns("*.pt", "*.log"))
    return tmp_path / "model"


def change_card(folder, **changes) -> None:
    card = json.loads((folder / "card.json").read_text()) | changes
    (folder / "card.json").write_text(json.dumps({name: value for name, value in card.items() if value is not None}))


# --- answers ----------------------------------------------------------------------------------------


def test_probabilities_are_a_distribution(model):
    probabilities = model.probabilities(PICTURES)
    assert probabilities.shape == (10, 10)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(1), range(10))


def test_pictures_do_not_influence_each_other(model):
    alone = np.concatenate([model.logits(PICTURES[n : n + 1]) for n in range(10)])
    np.testing.assert_allclose(model.logits(PICTURES), alone, atol=1e-4)


def test_reading_is_the_likeliest_digit(model):
    reading = model.read(PICTURES[6])
    assert reading.digit == 6
    assert reading.confidence == max(reading.probabilities) == reading.probabilities[6]
    assert reading.unsure == (reading.confidence < model.card.unsure_below)


# --- any picture ------------------------------------------------------------------------------------

SEVEN = draw(7)  # (280, 280) uint8, white on black
RGB = np.stack([SEVEN] * 3, 2)
KINDS = {
    "PIL image": Image.fromarray(SEVEN),
    "PIL image, inverted colours": Image.fromarray(255 - RGB),
    "one bit": Image.fromarray(SEVEN).convert("1"),
    "bytes": to_png(SEVEN),
    "array": SEVEN,
    "float array": SEVEN / 255,
    "bool array": SEVEN > 127,
    "RGB array": RGB,
    "RGBA array": np.dstack([255 - RGB, np.full_like(SEVEN, 255)]),
    "array with one channel": SEVEN[..., None],
    "tensor": torch.from_numpy(SEVEN.copy()),
    "tensor with channels first": torch.from_numpy(RGB.transpose(2, 0, 1) / 255),
    "tensor that learns": (torch.from_numpy(SEVEN / 255)[None]).requires_grad_(),
    "MNIST's size": PICTURES[7],
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_picture_is_read(model, kind):
    reading = model.recognize(KINDS[kind])
    assert reading.digit == 7
    assert not reading.unsure
    assert len(reading.probabilities) == 10


def test_file_and_array_give_the_answer_of_the_service(model):
    expected = model.read(prepare(SEVEN))
    assert model.recognize(SEVEN) == model.recognize(to_png(SEVEN)) == expected


WRONG = {
    "a path": ("seven.png", TypeError),
    "nothing": (None, TypeError),
    "one row": (np.zeros(28, np.uint8), ValueError),
    "a batch": (np.zeros((2, 1, 28, 28), np.uint8), ValueError),
    "no pixels": (np.zeros((0, 28), np.uint8), ValueError),
    "too many channels": (np.zeros((28, 28, 5), np.uint8), ValueError),
    "floats up to 255": (SEVEN.astype(np.float32), ValueError),
    "not a number": (np.full((28, 28), np.nan), ValueError),
    "text": (b"seven", NotAnImage),
    "blank": (np.zeros((28, 28), np.uint8), BlankImage),
}


@pytest.mark.parametrize("what", WRONG)
def test_file_that_is_not_a_picture_is_refused(model, what):
    thing, error = WRONG[what]
    with pytest.raises(error):
        model.recognize(thing)


def test_temperature_flattens_or_sharpens_the_same_logits(copy, model):
    change_card(copy, temperature=model.card.temperature * 4)
    warm = Recognizer.load(copy / "model.onnx")
    np.testing.assert_array_equal(warm.logits(PICTURES), model.logits(PICTURES))
    assert (warm.probabilities(PICTURES).max(1) < model.probabilities(PICTURES).max(1)).all()
    logits = model.logits(PICTURES).astype(float) / (4 * model.card.temperature)
    np.testing.assert_allclose(
        warm.probabilities(PICTURES), np.exp(logits) / np.exp(logits).sum(1, keepdims=True), atol=1e-5
    )


@pytest.mark.parametrize(("threshold", "unsure"), [(0.0, False), (1.0, True)])
def test_unsure_follows_the_card_s_threshold(copy, threshold, unsure):
    change_card(copy, unsure_below=threshold, temperature=4)  # nothing is surer than 1, which a float may reach
    assert Recognizer.load(copy / "model.onnx").read(PICTURES[3]).unsure is unsure


def test_huge_logits_do_not_overflow(copy):
    change_card(copy, temperature=1e-4)
    probabilities = Recognizer.load(copy / "model.onnx").probabilities(PICTURES)
    assert np.isfinite(probabilities).all()


# --- why --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digit", range(10))
def test_explanation_is_between_minus_one_and_one_and_on_the_ink(model, digit):
    relevance = model.explain(PICTURES[digit])
    assert relevance.shape == (28, 28)
    assert np.abs(relevance).max() == pytest.approx(1)
    assert not relevance[PICTURES[digit] == 0].any()


def test_ink_that_supports_the_prediction_matters_most(model):
    """Without the fifth of the ink that explain calls the best, the answer suffers more than without the worst."""
    falls = []
    for digit, image in enumerate(PICTURES):
        ink = np.flatnonzero(image > 0.5)
        ranked = ink[np.argsort(model.explain(image).ravel()[ink])]
        fifth = len(ranked) // 5
        without = np.stack([image.ravel()] * 2)
        without[0, ranked[-fifth:]] = without[1, ranked[:fifth]] = 0
        best, worst = np.log(model.probabilities(without.reshape(2, 28, 28))[:, digit])
        falls.append(worst - best)
    assert np.mean(falls) > 0
    assert sum(fall > 0 for fall in falls) >= 7


def test_explanation_leaves_the_picture_alone(model):
    before = PICTURES[5].copy()
    model.explain(PICTURES[5])
    np.testing.assert_array_equal(PICTURES[5], before)


def test_single_pixel_can_be_explained(model):
    dot = np.zeros((28, 28), np.float32)
    dot[14, 14] = 1
    assert np.isfinite(model.explain(dot)).all()


# --- broken files -----------------------------------------------------------------------------------


def test_missing_card_is_a_model_file_error(copy):
    (copy / "card.json").unlink()
    with pytest.raises(ModelFileError, match=r"card\.json"):
        Recognizer.load(copy / "model.onnx")


def test_missing_network_is_a_model_file_error(copy):
    (copy / "model.onnx").unlink()
    with pytest.raises(ModelFileError, match=r"model\.onnx"):
        Recognizer.load(copy / "model.onnx")


def test_changed_network_does_not_match_its_card(copy):
    data = bytearray((copy / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "model.onnx").write_bytes(data)
    with pytest.raises(ModelFileError, match="sha256"):
        Recognizer.load(copy / "model.onnx")


@pytest.mark.parametrize("data", [b"", b"not a network", None], ids=["empty", "text", "half"])
def test_damaged_network_is_a_model_file_error(copy, data):
    import hashlib

    whole = (copy / "model.onnx").read_bytes()
    data = whole[: len(whole) // 2] if data is None else data
    (copy / "model.onnx").write_bytes(data)
    change_card(copy, sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ModelFileError, match="does not load"):
        Recognizer.load(copy / "model.onnx")


@pytest.mark.parametrize("card", ["", "{", "[]", "null", '"text"', "\udcff"])
def test_damaged_card_is_a_model_file_error(copy, card):
    (copy / "card.json").write_text(card, errors="surrogateescape")
    with pytest.raises(ModelFileError):
        Recognizer.load(copy / "model.onnx")


@pytest.mark.parametrize("missing", ["version", "sha256", "temperature", "unsure_below"])
def test_incomplete_card_is_a_model_file_error(copy, missing):
    change_card(copy, **{missing: None})
    with pytest.raises(ModelFileError, match=missing):
        Recognizer.load(copy / "model.onnx")


@pytest.mark.parametrize(("name", "value"), [("temperature", "warm"), ("unsure_below", [1])])
def test_card_with_a_wrong_value_is_a_model_file_error(copy, name, value):
    change_card(copy, **{name: value})
    with pytest.raises(ModelFileError):
        Recognizer.load(copy / "model.onnx")
