"""Networks that read (n, 1, 28, 28) float32 from 0 to 1 and give (n, 10) logits: what people try, and what ships."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn


def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU; the side stays, or is divided by the stride."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def compact(width: int = 16, times: tuple[int, ...] = (1, 2, 4, 8), dropout: float = 0.2) -> nn.Sequential:
    """Four pairs of 3×3 convolutions, each at half the resolution of the last and this many `times` the width.

    Depth is cheap where the picture is small: 9 million multiplications for 0.3 million weights.
    """
    pairs = []
    for inputs, outputs in pairwise([1, *(width * more for more in times)]):
        pairs += [block(inputs, outputs), block(outputs, outputs), nn.MaxPool2d(2)]
    pairs[-1] = nn.Identity()  # the last pair keeps its 3×3
    return nn.Sequential(*pairs, nn.Flatten(), nn.Dropout(dropout), nn.Linear(width * times[-1] * 3 * 3, 10))


def lenet() -> nn.Sequential:
    """10 and 20 channels of 5×5, then 320→50→10, dropout: PyTorch's first MNIST example, after LeNet-5 (1998)."""
    return nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(10, 20, 5), nn.Dropout2d(0.5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 10),
    )  # fmt: skip


def two_layers(dense: int, width: int, dropout: float = 0.25) -> nn.Sequential:
    """`width` and twice as many channels of 3×3, batch norm, spatial dropout (Tompson et al., 2015), a dense layer."""
    return nn.Sequential(
        block(1, width), nn.MaxPool2d(2), nn.Dropout2d(dropout),
        block(width, 2 * width), nn.MaxPool2d(2), nn.Dropout2d(dropout),
        nn.Flatten(), nn.Linear(2 * width * 7 * 7, dense), nn.ReLU(), nn.Dropout(0.5), nn.Linear(dense, 10),
    )  # fmt: skip


def strided(width: int = 32, dropout: float = 0.4) -> nn.Sequential:
    """5×5 convolutions with a stride of 2 for pools (Springenberg et al., 2015), after C. Deotte's on Kaggle."""
    layers = []
    for inputs, outputs in [(1, width), (width, 2 * width)]:
        layers += [block(inputs, outputs), block(outputs, outputs), block(outputs, outputs, 5, 2), nn.Dropout(dropout)]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(2 * width * 7 * 7, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
        nn.Dropout(dropout), nn.Linear(128, 10),
    )  # fmt: skip


class Wide(nn.Module):
    """Two branches, of 3×3 and of 5×5, of 256 channels each, side by side to 7·7·512, then 1000→500→10."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(block(1, 64, kernel), nn.MaxPool2d(2), block(64, 256, kernel), nn.MaxPool2d(2))
            for kernel in (3, 5)
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(7 * 7 * 512, 1000), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(1000, 500), nn.ReLU(), nn.Dropout(0.5), nn.Linear(500, 10),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.head(torch.cat([branch(images) for branch in self.branches], 1))


def dense(*widths: int) -> nn.Sequential:
    """No convolution: every pixel to every neuron."""
    sizes = [28 * 28, *widths]
    layers = []
    for a, b in zip(sizes, widths, strict=False):
        layers += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], 10))


def convolutional(*widths: int) -> nn.Sequential:
    """Their convolutional sisters: 3×3 with a pool after each, then straight to the answer."""
    sizes = [1, *widths]
    layers = []
    for a, b in zip(sizes, widths, strict=False):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    side = 28 // 2 ** len(widths)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(sizes[-1] * side * side, 10))


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "broad": partial(compact, times=(1, 3, 6, 8), dropout=0),  # ships; taught by others, it needs no dropout
    "compact": compact,
    "large": partial(compact, width=32),  # a teacher
    "lenet": lenet,
    "bn-16-32": partial(two_layers, dense=64, width=16),
    "bn-scale-16": partial(two_layers, dense=128, width=16),
    "bn-scale-32": partial(two_layers, dense=128, width=32),
    "strided": strided,
    "wide": Wide,
    "dense-simple": partial(dense, 128),
    "dense-deep": partial(dense, 512, 256, 128),
    "conv-simple": partial(convolutional, 32),
    "conv-deep": partial(convolutional, 32, 64, 128),
}
