"""Distillation (Hinton, Vinyals, Dean, 2015): a small network learns what several larger ones say of a picture.

Both see the same changed picture (Beyer et al., "A good teacher is patient and consistent", 2021). The pictures are
changed and labelled once, and serve every student: what a batch costs is then the student alone.
"""

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from app.card import Card
from training.architectures import ARCHITECTURES
from training.augmentation import Augmentation, augment
from training.cli import Unusable
from training.data import as_input

BATCH = 500
# what torch.load and what makes use of it raise for other files than those meant
DAMAGED = (RuntimeError, TypeError, ValueError, KeyError, AttributeError, EOFError, pickle.UnpicklingError)
# (rotation in radians, shear, scale): what leaves a digit what it is; their mean is a better answer than any of them
VIEWS = [(0, 0, 1), (0, 0.15, 1), (0, -0.15, 1), (0, 0, 1.07), (0, 0, 0.93), (0.1, 0, 1), (-0.1, 0, 1)]


class Lessons(NamedTuple):
    """Changed copies of n pictures, and what the teachers say of each; the first copy is the pictures as they are."""

    images: Tensor  # (copies, n, 28, 28) uint8
    logits: Tensor  # (copies, n, 10) float16

    def pick(self, index: Tensor, plain: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(images, logits) of a random copy of each picture in `index`; a share of `plain` is taken unchanged."""
        each = {"size": index.shape, "generator": generator, "device": index.device}
        copy = torch.randint(1, len(self.images), **each)
        copy[torch.rand(**each) < plain] = 0
        return self.images[copy, index], self.logits[copy, index].float()

    def to(self, device: torch.device) -> "Lessons":
        return Lessons(self.images.to(device), self.logits.to(device))

    def save(self, path: Path) -> None:
        torch.save(self._asdict(), path)


def load_lessons(path: Path, pictures: int) -> Lessons:
    """Those that teach.py wrote on this many pictures. Raises Unusable for others, OSError where there is no file."""
    try:
        lessons = Lessons(**torch.load(path, map_location="cpu", weights_only=True))
    except DAMAGED as e:
        raise Unusable(f"{path} holds no lessons of teach.py") from e
    if lessons.images.shape[1] != pictures:
        raise Unusable(f"{path} teaches {lessons.images.shape[1]} pictures, not the {pictures} to train on")
    return lessons


def load_teacher(folder: Path) -> nn.Module:
    """The network that train.py wrote into `folder`, ready to answer. Raises OSError or Unusable if there is none."""
    try:
        network = ARCHITECTURES[Card.read(folder / "card.json").architecture]()
        network.load_state_dict(torch.load(folder / "model.pt", map_location="cpu", weights_only=True))
    except DAMAGED as e:
        raise Unusable(f"{folder} holds no network of train.py, or a damaged one") from e
    return network.eval()


@torch.inference_mode()
def mean_log_probabilities(teachers: list[nn.Module], inputs: Tensor, views: int = 1, bfloat16: bool = False) -> Tensor:
    """(n, 10) log-probabilities, up to a constant: the mean over teachers and over the first `views` of VIEWS."""
    seen = [inputs, *(_seen_as(inputs, *view) for view in VIEWS[1:views])]
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=bfloat16):
        logits = [
            teacher(view.contiguous(memory_format=torch.channels_last)).float() for teacher in teachers for view in seen
        ]
    return torch.stack([F.log_softmax(part, 1) for part in logits]).mean(0)


@torch.inference_mode()
def make_lessons(
    images: Tensor,
    teachers: list[nn.Module],
    copies: int,
    augmentation: Augmentation,
    generator: torch.Generator,
    views: int = 1,
    bfloat16: bool = False,
) -> Lessons:
    """Labels (n, 28, 28) uint8 pictures as they are, seen in this many `views`, and `copies` changed copies of each.

    Views help where the picture is sharp: over seven, one network lost a fifth less on MNIST's validation split; on
    changed copies, which are views themselves, hardly at all. Every copy is changed, whatever `augmentation.plain`:
    the first one is the pictures as they are, and `Lessons.pick` decides how often a student sees it.
    """
    augmentation = replace(augmentation, plain=0)
    pictures, logits = [], []
    bar = tqdm([(copy, part) for copy in range(copies + 1) for part in images.split(BATCH)], unit="batch", disable=None)
    for copy, part in bar:
        inputs = as_input(part)
        if copy:
            inputs = (augment(inputs, augmentation, generator) * 255).round() / 255  # what is stored is what is seen
        pictures.append((inputs.squeeze(1) * 255).round().to(torch.uint8))
        logits.append(mean_log_probabilities(teachers, inputs, 1 if copy else views, bfloat16).half())
    return Lessons(
        torch.cat(pictures).view(copies + 1, *images.shape), torch.cat(logits).view(copies + 1, len(images), 10)
    )


def loss(logits: Tensor, said: Tensor, temperature: float) -> Tensor:
    """The sum over (n, 10) of the Kullback–Leibler divergence from teachers to student, both softened.

    Times temperature², so that its gradients weigh as much as cross entropy's whatever the temperature (Hinton et al.).
    """
    student, teachers = (F.log_softmax(values / temperature, 1) for values in (logits, said))
    return temperature**2 * F.kl_div(student, teachers, log_target=True, reduction="sum")


def _seen_as(inputs: Tensor, rotation: float, shear: float, scale: float) -> Tensor:
    cos, sin = math.cos(rotation), math.sin(rotation)
    theta = inputs.new_tensor([[cos / scale, -sin + shear, 0], [sin, cos / scale, 0]]).expand(len(inputs), 2, 3)
    return F.grid_sample(inputs, F.affine_grid(theta, list(inputs.shape), align_corners=False), align_corners=False)
