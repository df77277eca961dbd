"""A trained network → weights, ONNX with 8-bit weights, and card.

With 8-bit weights and activations, ONNX Runtime takes less than half the time, and the network fits into a core's
cache (docs/training.md has the figures).
"""

import hashlib
import logging
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)
from torch import Tensor, nn

from app.card import FORMAT, Card
from app.recognizer import open_session
from training.data import NO_DIGIT, Digits, as_input
from training.loop import predict

log = logging.getLogger("train")
TIMED = 300  # pictures read one by one, for the median
TOLERANCE = 1e-3  # of logits; float32 sums in another order differ by about 1e-5
EXAMPLES = 2000  # pictures from which the ranges of the activations are taken
AT_ONCE = 100  # of them


@dataclass(frozen=True)
class Calibration:
    temperature: float
    unsure_below: float


class Exported(nn.Module):
    """An ONNX network as a module, to measure what will serve."""

    def __init__(self, network: bytes) -> None:
        super().__init__()
        self.network = network
        self._session = open_session(network)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, 28, 28) float32 from 0 to 1 → (n, 10) float32 logits."""
        return torch.from_numpy(self._session.run(None, {"image": images.numpy()})[0])


def quantized(model: nn.Module, known: Digits) -> Exported:
    """The network with 8-bit weights and activations, whose ranges are those that some of `known` pictures cause.

    The last layer keeps its precision: it is small, and logits of 8 bits would give few distinct confidences. So does
    the first convolution, which has a single input channel and would take longer with 8 bits. Seven bits of each weight
    are used: on processors without VNNI instructions, sums of products of eight would be cut off.
    Raises RuntimeError if ONNX Runtime computes something else than torch.
    """
    chosen = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[:EXAMPLES]
    examples = known.take(chosen)
    with tempfile.TemporaryDirectory() as folder:
        exact, small = Path(folder, "exact.onnx"), Path(folder, "small.onnx")
        before = Exported(to_onnx(model, exact))
        check_parity(model, before, examples.images)
        quant_pre_process(exact, exact, skip_symbolic_shape=True)
        quantize_static(
            exact,
            small,
            _Batches(examples.images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=_precise_layers(exact),
        )
        after = Exported(small.read_bytes())
    digits = examples.images[examples.labels != NO_DIGIT]
    changed = (predict(before, digits).argmax(1) != predict(after, digits).argmax(1)).sum().item()
    log.info("with 8-bit weights, it reads %d of %d digits differently", changed, len(digits))
    return after


def _precise_layers(path: Path) -> list[str]:
    """The names of the first convolution, if there is one, and of the last layer."""
    nodes = onnx.load(path).graph.node
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    return convolutions[:1] + [node.name for node in nodes if "logits" in node.output]


class _Batches(CalibrationDataReader):
    def __init__(self, images: Tensor) -> None:
        self._rest = iter(images.split(AT_ONCE))

    def get_next(self) -> dict[str, np.ndarray] | None:
        images = next(self._rest, None)
        return None if images is None else {"image": as_input(images).numpy()}


def to_onnx(model: nn.Module, path: Path) -> bytes:
    """Writes the network, batch size free, as one file, and returns its bytes."""
    model.eval()
    example = torch.zeros(2, 1, 28, 28, device=next(model.parameters()).device)
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        model,
        (example,),
        path,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: batch},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    network = onnx.load(path)
    for part in (network.graph, *network.graph.node, *network.graph.value_info):
        part.ClearField("metadata_props")  # stack traces, with the paths of whoever trained it
    onnx.save(network, path)
    return path.read_bytes()


def write(
    model: nn.Module, exported: Exported, folder: Path, architecture: str, calibration: Calibration, **fields: Any
) -> Path:
    """model.pt, model.onnx and card.json into `folder`; returns the ONNX file's path.

    `fields`: the rest of the card's fields.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "model.pt")
    (folder / "model.onnx").write_bytes(exported.network)
    sha256 = hashlib.sha256(exported.network).hexdigest()
    card = Card(
        format=FORMAT,
        version=f"{architecture}-{sha256[:8]}",
        sha256=sha256,
        architecture=architecture,
        weights=sum(p.numel() for p in model.parameters()),
        onnx_bytes=len(exported.network),
        milliseconds=round(time_of(exported.network), 3),
        temperature=calibration.temperature,
        unsure_below=calibration.unsure_below,
        **fields,
    )
    card.write(folder / "card.json")
    return folder / "model.onnx"


def time_of(network: bytes) -> float:
    """Milliseconds a picture, the median, in ONNX Runtime with one thread."""
    session = open_session(network)
    picture = {"image": np.random.default_rng(0).random((1, 1, 28, 28), np.float32)}
    times = []
    for _ in range(TIMED):
        start = time.perf_counter()
        session.run(None, picture)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def check_parity(model: nn.Module, exported: Exported, images: Tensor) -> None:
    """Raises RuntimeError if torch and ONNX Runtime disagree on a logit. (n, 28, 28) uint8."""
    difference = (predict(model, images) - predict(exported, images)).abs().max().item()
    if difference > TOLERANCE:
        raise RuntimeError(f"ONNX and torch disagree by {difference:.2g} in a logit")
    log.info("ONNX agrees with torch: logits differ by at most %.1e on %d pictures", difference, len(images))
