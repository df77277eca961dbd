"""28×28 → calibrated probabilities of the digits, and an explanation."""

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app import imaging
from app.card import Card, UnusableCard
from app.imaging import SIDE

# ONNX Runtime sends usage data to its makers unless this is set before it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

PATCH = 5  # side of the square that `explain` erases
SLICE = 16  # pictures that `explain` reads at once; larger batches are no faster per picture


@dataclass(frozen=True)
class Reading:
    """The model's prediction for one picture."""

    digit: int
    confidence: float
    unsure: bool
    probabilities: list[float]


class ModelFileError(Exception):
    """The model's file or card is missing, damaged, or not of this kind."""


def open_session(network: bytes) -> onnxruntime.InferenceSession:
    """An ONNX network, ready to run. Raises errors of onnxruntime that have no common base class but Exception."""
    options = onnxruntime.SessionOptions()
    # one picture is too little work for several threads
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the memory of the largest run, and is not faster than malloc
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


class Recognizer:
    """An ONNX network with its card: version, sha256, temperature and the threshold below which it is unsure."""

    def __init__(self, onnx: bytes, card: Card) -> None:
        """Raises ModelFileError if the bytes do not load, or are not those that the card describes."""
        if hashlib.sha256(onnx).hexdigest() != card.sha256:
            raise ModelFileError("the ONNX file is not the one that its card describes: sha256 differs")
        self.card = card
        self.version = card.version
        self._temperature = np.float32(card.temperature)
        self.unsure_below = card.unsure_below
        try:
            self._session = open_session(onnx)
        except Exception as e:
            raise ModelFileError(f"the ONNX file does not load: {e}") from e
        self._input = self._session.get_inputs()[0].name

    @classmethod
    def load(cls, path: Path) -> "Recognizer":
        """From model.onnx and card.json in the same folder."""
        try:
            return cls(path.read_bytes(), Card.read(path.with_name("card.json")))
        except (OSError, UnusableCard) as e:
            raise ModelFileError(f"no model at {path}: {e}") from e

    def logits(self, images: np.ndarray) -> np.ndarray:
        """(n, 28, 28) float32 from 0 to 1 → (n, 10) float32."""
        logits: np.ndarray = self._session.run(None, {self._input: images[:, None]})[0]
        return logits

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """(n, 28, 28) float32 from 0 to 1 → (n, 10) float32, calibrated by the card's temperature."""
        scaled = self.logits(images) / self._temperature
        odds = np.exp(scaled - scaled.max(1, keepdims=True))
        probabilities: np.ndarray = odds / odds.sum(1, keepdims=True)
        return probabilities

    def read(self, image: np.ndarray) -> Reading:
        """(28, 28) float32 from 0 to 1, prepared as imaging.py does."""
        return self.read_all(image[None])[0]

    def read_all(self, images: np.ndarray) -> list[Reading]:
        """(n, 28, 28) float32 from 0 to 1, prepared as imaging.py does."""
        return [self._reading(probabilities) for probabilities in self.probabilities(images).tolist()]

    def _reading(self, probabilities: list[float]) -> Reading:
        confidence = max(probabilities)
        return Reading(probabilities.index(confidence), confidence, confidence < self.unsure_below, probabilities)

    def recognize(self, picture: Any) -> Reading:
        """Read a picture of any kind and size: a PIL image, an array, a tensor (on any device), or a file's bytes.

            Recognizer.load(Path("models/default/model.onnx")).recognize(Image.open("examples/seven.png")).digit

        Arrays and tensors have a shape and dtype that imaging.from_array accepts. Raises ValueError for others,
        TypeError for other types, and imaging's errors: BlankImage, NotAnImage, MalformedImage, ImageTooLarge,
        PictureTooComplex.
        """
        if isinstance(picture, bytes):
            picture = imaging.open_picture(picture)
        elif hasattr(picture, "detach"):  # a tensor; serving does not import torch
            picture = picture.detach().cpu().numpy()
        if isinstance(picture, np.ndarray):
            picture = imaging.from_array(picture)
        if not isinstance(picture, Image.Image):
            raise TypeError(f"a picture is a PIL image, an array, a tensor or bytes, not {type(picture).__name__}")
        return self.read(imaging.prepare(imaging.to_sketch(picture)))

    def explain(self, image: np.ndarray, digit: int | None = None) -> np.ndarray:
        """(28, 28) float32 from −1 to 1: how much erasing the ink there would hurt the prediction, or `digit`.

        Occlusion (Zeiler & Fergus, 2014): the fall of the digit's log-probability, averaged over the
        patches that cover a pixel, shown where there is ink, and scaled by the largest.
        """
        patches = _patches()[(image * _patches()).any((1, 2))]
        whole = self.probabilities(image[None])[0]
        digit = int(whole.argmax()) if digit is None else digit
        slices = [patches[start : start + SLICE] for start in range(0, len(patches), SLICE)]
        erased = np.concatenate([self.probabilities(np.where(some, np.float32(0), image)) for some in slices])
        falls = np.log(np.maximum(whole[digit], 1e-9)) - np.log(np.maximum(erased[:, digit], 1e-9))
        total, covered = np.tensordot(falls.astype(float), patches, 1), patches.sum(0)
        relevance = total / np.maximum(covered, 1) * image
        scaled: np.ndarray = relevance / max(np.abs(relevance).max(), 1e-9)
        return scaled.astype(np.float32)


@cache
def _patches() -> np.ndarray:
    """(576, 28, 28) bool: the square that `explain` erases, at each position."""
    pixels, starts = np.arange(SIDE), np.arange(SIDE - PATCH + 1)[:, None]
    covered = (starts <= pixels) & (pixels < starts + PATCH)  # (24, 28)
    return (covered[:, None, :, None] & covered[None, :, None, :]).reshape(-1, SIDE, SIDE)
