"""Networks that read (n, 1, 28, 28) float32 from 0 to 1 and give (n, 10) logits."""

from collections.abc import Callable

from torch import nn


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def compact(width: int = 16, dropout: float = 0.2) -> nn.Sequential:
    """The one that ships: four pairs of 3×3 convolutions, each at half the resolution and twice the width of the last.

    Depth is cheap where the picture is small: 9 million multiplications for 0.3 million weights.
    """
    pairs = []
    for inputs, outputs in [(1, width), (width, 2 * width), (2 * width, 4 * width), (4 * width, 8 * width)]:
        pairs += [block(inputs, outputs), block(outputs, outputs), nn.MaxPool2d(2)]
    pairs[-1] = nn.Identity()  # the last pair keeps its 3×3
    return nn.Sequential(*pairs, nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * width * 3 * 3, 10))


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {"compact": compact}
