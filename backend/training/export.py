"""A trained network → weights, ONNX and card, checked against each other."""

import hashlib
import logging
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from app.card import FORMAT, Card
from app.recognizer import Recognizer, onnxruntime
from training.data import as_input
from training.loop import predict

log = logging.getLogger("train")
TIMED = 300  # pictures read one by one, for the median
TOLERANCE = 1e-3  # of logits; float32 sums in another order differ by about 1e-5


@dataclass(frozen=True)
class Calibration:
    temperature: float
    unsure_below: float


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


def write(model: nn.Module, folder: Path, architecture: str, calibration: Calibration, **fields: Any) -> Path:
    """model.pt, model.onnx and card.json into `folder`; returns the ONNX file's path.

    `fields`: the rest of the card's fields.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "model.pt")
    onnx = to_onnx(model, folder / "model.onnx")
    sha256 = hashlib.sha256(onnx).hexdigest()
    card = Card(
        format=FORMAT,
        version=f"{architecture}-{sha256[:8]}",
        sha256=sha256,
        architecture=architecture,
        onnx_bytes=len(onnx),
        milliseconds=round(time_of(onnx), 3),
        temperature=calibration.temperature,
        unsure_below=calibration.unsure_below,
        **fields,
    )
    card.write(folder / "card.json")
    return folder / "model.onnx"


def time_of(onnx: bytes) -> float:
    """Milliseconds a picture, the median, in ONNX Runtime with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    picture = {session.get_inputs()[0].name: np.random.default_rng(0).random((1, 1, 28, 28), np.float32)}
    times = []
    for _ in range(TIMED):
        start = time.perf_counter()
        session.run(None, picture)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def check_parity(model: nn.Module, onnx: Path, images: Tensor) -> float:
    """The largest difference of a logit between torch and ONNX Runtime; raises where it matters. (n, 28, 28) uint8."""
    wanted = predict(model, images).cpu().numpy()
    got = Recognizer.load(onnx).logits(as_input(images).squeeze(1).cpu().numpy())
    difference = float(np.abs(wanted - got).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"ONNX and torch disagree by {difference:.2g} in a logit")
    log.info("ONNX agrees with torch: logits differ by at most %.1e on %d pictures", difference, len(images))
    return difference
