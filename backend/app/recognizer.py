"""28×28 → how likely each digit is, calibrated, and why."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app import imaging
from app.imaging import SIDE

# ONNX Runtime reports its use to its makers unless it is told not to before it is loaded
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

PATCH = 5  # side of the square that `explain` blots out


@dataclass(frozen=True)
class Reading:
    """What the model makes of one picture."""

    digit: int
    confidence: float
    unsure: bool
    probabilities: list[float]


class ModelFileError(Exception):
    """The model's file or card is missing, damaged, or not of this kind."""


class Recognizer:
    """An ONNX network with its card: version, sha256, temperature and the threshold below which it is unsure."""

    def __init__(self, onnx: bytes, card: dict[str, Any]) -> None:
        """Raises ModelFileError where the bytes are not those that the card was made for, or do not load."""
        if hashlib.sha256(onnx).hexdigest() != card["sha256"]:
            raise ModelFileError("the ONNX file is not the one that its card describes: sha256 differs")
        self.card = card
        self.version: str = card["version"]
        self._temperature = np.float32(card["temperature"])
        self.unsure_below = float(card["unsure_below"])
        options = onnxruntime.SessionOptions()
        # one picture is too little work to share; more threads would only wait for each other
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime raises a class of its own for each cause, all from Exception
            raise ModelFileError(f"the ONNX file does not load: {e}") from e
        self._input = self._session.get_inputs()[0].name

    @classmethod
    def load(cls, path: Path) -> "Recognizer":
        """From model.onnx and card.json in the same folder."""
        try:
            return cls(path.read_bytes(), json.loads(path.with_name("card.json").read_text()))
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise ModelFileError(f"no model at {path}: {e}") from e

    def logits(self, images: np.ndarray) -> np.ndarray:
        """(n, 28, 28) float32 from 0 to 1 → (n, 10) float32."""
        return self._session.run(None, {self._input: images[:, None]})[0]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """(n, 28, 28) float32 from 0 to 1 → (n, 10) float32, calibrated by the card's temperature."""
        scaled = self.logits(images) / self._temperature
        odds = np.exp(scaled - scaled.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def read(self, image: np.ndarray) -> Reading:
        """(28, 28) float32 from 0 to 1, prepared as imaging.py does."""
        probabilities = self.probabilities(image[None])[0].tolist()
        digit = max(range(10), key=probabilities.__getitem__)
        confidence = probabilities[digit]
        return Reading(digit, confidence, confidence < self.unsure_below, probabilities)

    def recognize(self, picture: Any) -> Reading:
        """Read a picture of any kind and size: a PIL image, an array, a tensor (on any device), or a file's bytes.

            Recognizer.load(Path("models/default/model.onnx")).recognize(Image.open("examples/seven.png")).digit

        Arrays and tensors are as imaging.from_array takes them. Raises ValueError where they are not, TypeError for
        other things, and imaging's errors: BlankImage, NotAnImage, MalformedImage, ImageTooLarge.
        """
        if isinstance(picture, bytes):
            picture = imaging.open_picture(picture)
        elif hasattr(picture, "detach"):  # a tensor; torch itself is not needed to serve
            picture = picture.detach().cpu().numpy()
        if isinstance(picture, np.ndarray):
            picture = imaging.from_array(picture)
        if not isinstance(picture, Image.Image):
            raise TypeError(f"a picture is a PIL image, an array, a tensor or bytes, not {type(picture).__name__}")
        return self.read(imaging.prepare(imaging.to_sketch(picture)))

    def explain(self, image: np.ndarray, digit: int | None = None) -> np.ndarray:
        """(28, 28) float32 from −1 to 1: how much blotting out the ink there would hurt the answer, or `digit`.

        Occlusion (Zeiler & Fergus, 2014): the fall of the digit's log-probability, averaged over the
        patches that cover a pixel, shown where there is ink, and scaled by the largest.
        """
        corners = [(r, c) for r in range(SIDE - PATCH + 1) for c in range(SIDE - PATCH + 1)
                   if image[r : r + PATCH, c : c + PATCH].any()]  # fmt: skip
        blotted = np.repeat(image[None], len(corners), axis=0)
        for picture, (r, c) in zip(blotted, corners, strict=True):
            picture[r : r + PATCH, c : c + PATCH] = 0
        whole = self.probabilities(image[None])[0]
        digit = int(whole.argmax()) if digit is None else digit
        falls = np.log(np.maximum(whole[digit], 1e-9)) - np.log(np.maximum(self.probabilities(blotted)[:, digit], 1e-9))
        total, covered = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
        for fall, (r, c) in zip(falls, corners, strict=True):
            total[r : r + PATCH, c : c + PATCH] += fall
            covered[r : r + PATCH, c : c + PATCH] += 1
        relevance = total / np.maximum(covered, 1) * image
        return (relevance / max(np.abs(relevance).max(), 1e-9)).astype(np.float32)
