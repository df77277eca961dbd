import hashlib
import json
import logging

import numpy as np
import onnx
import pytest
import torch

from app.config import BACKEND
from app.recognizer import Recognizer
from tests.training.small import small_digits
from training import export
from training.architectures import compact
from training.data import as_input
from training.loop import predict

DIGITS = small_digits(40, seed=6)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A network and the folder that it was written to. Batch norm has seen data, so that it matters."""
    torch.manual_seed(0)
    model = compact(width=4)
    model(as_input(DIGITS.images))
    folder = tmp_path_factory.mktemp("export") / "model"
    exported = export.quantized(model, DIGITS)
    export.write(model, exported, folder, "compact", export.Calibration(1.5, 0.7), metrics={"accuracy": 0.5})
    return model, folder


@pytest.fixture(scope="module")
def exact(written, tmp_path_factory) -> export.Exported:
    """The same network as it was before quantization."""
    return export.Exported(export.to_onnx(written[0], tmp_path_factory.mktemp("exact") / "model.onnx"))


def test_three_files_are_written_and_no_other(written):
    assert sorted(file.name for file in written[1].iterdir()) == ["card.json", "model.onnx", "model.pt"]


def test_card_identifies_the_network(written):
    card = json.loads((written[1] / "card.json").read_text())
    sha256 = hashlib.sha256((written[1] / "model.onnx").read_bytes()).hexdigest()
    assert 0 < card.pop("milliseconds") < 50
    assert card == {
        "weights": sum(p.numel() for p in written[0].parameters()),
        "onnx_bytes": (written[1] / "model.onnx").stat().st_size,
        "version": f"compact-{sha256[:8]}",
        "sha256": sha256,
        "architecture": "compact",
        "temperature": 1.5,
        "unsure_below": 0.7,
        "metrics": {"accuracy": 0.5},
        "format": 1,
        "held_out": {},
        "data": "",
        "hyperparameters": {},
    }


def test_network_is_one_sound_onnx_file(written):
    network = onnx.load(written[1] / "model.onnx", load_external_data=False)
    onnx.checker.check_model(network)
    assert not [t.name for t in network.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]


def test_nothing_in_it_tells_where_it_was_made(written):
    data = (written[1] / "model.onnx").read_bytes()
    assert b"site-packages" not in data
    assert str(BACKEND).encode() not in data


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_onnx_gives_what_torch_gives_for_any_number_of_pictures(written, exact, count):
    torch.testing.assert_close(
        predict(exact, DIGITS.images[:count]), predict(written[0], DIGITS.images[:count]), atol=1e-3, rtol=0
    )


def test_with_8_bit_weights_it_is_nearly_the_same(written, exact):
    logits = Recognizer.load(written[1] / "model.onnx").logits(as_input(DIGITS.images)[:, 0].numpy())
    wanted = predict(exact, DIGITS.images).numpy()
    assert np.abs(logits - wanted).max() < 0.05 * np.ptp(wanted)


def test_with_8_bit_weights_a_picture_gives_the_same_alone_and_among_others(written):
    model = Recognizer.load(written[1] / "model.onnx")
    images = as_input(DIGITS.images)[:, 0].numpy()
    together, alone = model.logits(images), [model.logits(image[None])[0] for image in images]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_weights_have_8_bits_of_which_one_is_spare_but_for_the_first_and_last_layer(written, exact):
    network = onnx.load(written[1] / "model.onnx")
    weights = [onnx.numpy_helper.to_array(t) for t in network.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    large = [values for values in weights if values.ndim > 1]
    assert len(large) == 7  # the convolutions after the first
    assert all(np.abs(values.astype(int)).max() <= 64 for values in large)
    assert len(network.SerializeToString()) < 0.6 * len(exact.network)


def test_confidences_are_as_fine_as_before(written):
    logits = Recognizer.load(written[1] / "model.onnx").logits(as_input(DIGITS.images)[:, 0].numpy())
    assert len(np.unique(logits)) > 0.9 * logits.size


def test_how_much_it_changes_is_logged(written, caplog):
    with caplog.at_level(logging.INFO, "train"):
        export.quantized(written[0], DIGITS)
    assert "ONNX agrees with torch" in caplog.text
    assert f"of {len(DIGITS)} digits differently" in caplog.text


def test_network_that_is_another_one_fails_the_parity_check(exact):
    torch.manual_seed(1)
    with pytest.raises(RuntimeError, match="disagree"):
        export.check_parity(compact(width=4), exact, DIGITS.images)


def test_weights_can_be_loaded_again(written):
    model, folder = written
    again = compact(width=4)
    again.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    torch.testing.assert_close(predict(again, DIGITS.images), predict(model, DIGITS.images))
