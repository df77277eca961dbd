"""Batched augmentation: what other hands and pens make of the same digit.

Everything happens on twice the resolution, so that a pen may grow or shrink by half a pixel. The digit is
resized against the change of its pen, since imaging.py fits the inked box, not the skeleton, into 20×20.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from app.imaging import BOX, SIDE

FINE = 2 * SIDE  # the resolution that pens are changed at
KNOTS = 5  # a side of the coarse grid that bends the picture


@dataclass(frozen=True)
class Augmentation:
    """How much pictures are changed. Raises ValueError for what cannot be."""

    plain: float = 0.25  # the share of pictures left as they are: every change blurs a little, and MNIST is sharp
    rotation: float = 12.0  # degrees, either way
    slant: float = 0.30  # shear, tan of the angle; MNIST is slanted to the right already
    scale: float = 0.08  # relative, either way
    aspect: float = 0.15  # width against height, either way
    shift: float = 1.0  # pixels, either way; imaging.py centres, so that little is left
    bend: float = 1.2  # pixels, standard deviation of a smooth displacement (Simard et al., 2003)
    thinner: int = 2  # steps of half a pixel off each side of the stroke
    thicker: int = 3  # steps of half a pixel onto each side

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be 0 or more, not {value}")
        for name in ("plain", "scale", "aspect"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}")


def _only_rotation(degrees: float) -> Augmentation:
    return Augmentation(plain=0, rotation=degrees, slant=0, scale=0, aspect=0, shift=0, bend=0, thinner=0, thicker=0)


AUGMENTATIONS = {"ours": Augmentation(), "none": _only_rotation(0)} | {
    f"rotation-{degrees}": _only_rotation(degrees) for degrees in (6, 10, 12, 45)
}


def augment(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """(n, 1, 28, 28) float32 from 0 to 1 → the same shape, each picture changed in its own way."""
    as_is = torch.rand(len(images), generator=generator, device=images.device) < how.plain
    changed = images.clone()
    changed[~as_is] = _change(images[~as_is], how, generator)
    return changed


def _change(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    n, device = len(images), images.device
    if not n:
        return images
    steps = torch.randint(-how.thinner, how.thicker + 1, (n,), generator=generator, device=device)
    grid = _affine(n, how, steps, generator, device) + _bend(n, how, generator, device)
    fine = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    pictures = F.avg_pool2d(_change_pen(fine, steps), 2)
    # a thin pen is no paler: imaging.py stretches to full white as well
    return pictures / pictures.amax((1, 2, 3), keepdim=True).clamp(min=0.2)


def _uniform(n: int, width: float, generator: torch.Generator, device: torch.device) -> Tensor:
    return (torch.rand(n, generator=generator, device=device) * 2 - 1) * width


def _affine(n: int, how: Augmentation, steps: Tensor, generator: torch.Generator, device: torch.device) -> Tensor:
    """(n, 56, 56, 2) sampling positions, in grid_sample's units: −1 to 1 over the picture."""
    angle = _uniform(n, torch.pi * how.rotation / 180, generator, device)
    slant = _uniform(n, how.slant, generator, device)
    # half a pixel a step, on both sides of the box
    size = (1 + _uniform(n, how.scale, generator, device)) * (BOX - steps) / BOX
    aspect = (1 + _uniform(n, how.aspect, generator, device)).sqrt()
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    lean = torch.eye(2, device=device).repeat(n, 1, 1)
    lean[:, 0, 1] = slant
    stretch = torch.diag_embed(torch.stack([1 / (size * aspect), aspect / size], -1))
    shift = _uniform(2 * n, 2 * how.shift / SIDE, generator, device).view(n, 2, 1)
    theta = torch.cat([turn @ lean @ stretch, shift], -1)
    return F.affine_grid(theta, [n, 1, FINE, FINE], align_corners=False)


def _bend(n: int, how: Augmentation, generator: torch.Generator, device: torch.device) -> Tensor:
    """(n, 56, 56, 2) smooth random displacements, from noise on a coarse grid."""
    coarse = torch.randn(n, 2, KNOTS**2, generator=generator, device=device) * (2 * how.bend / SIDE)
    strength = torch.rand(n, 1, 1, generator=generator, device=device)  # some hands are steadier
    return (coarse * strength @ _spline(device)).view(n, 2, FINE, FINE).permute(0, 2, 3, 1)


@lru_cache(maxsize=4)
def _spline(device: torch.device) -> Tensor:
    """(KNOTS², 56²): bicubic interpolation as a matrix, ten times as fast as doing it again for each batch."""
    knots = torch.eye(KNOTS**2, device=device).view(-1, 1, KNOTS, KNOTS)
    return F.interpolate(knots, size=(FINE, FINE), mode="bicubic", align_corners=True).view(KNOTS**2, FINE**2)


def _change_pen(fine: Tensor, steps: Tensor) -> Tensor:
    """Dilates where `steps` is positive, erodes where it is negative, by a cross of one fine pixel a step."""
    for step in range(1, int(steps.abs().max()) + 1):
        wider, thinner = (steps >= step).nonzero()[:, 0], (steps <= -step).nonzero()[:, 0]
        fine[wider] = _dilate(fine[wider])
        fine[thinner] = -_dilate(-fine[thinner])
    return fine


def _dilate(fine: Tensor) -> Tensor:
    across = F.max_pool2d(fine, (1, 3), 1, (0, 1))
    return torch.maximum(across, F.max_pool2d(fine, (3, 1), 1, (1, 0)))
