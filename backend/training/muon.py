"""Muon (Jordan et al., 2024): momentum made orthogonal: all directions of a matrix are learned at one speed.

See https://kellerjordan.github.io/posts/muon/ . PyTorch's own torch.optim.Muon takes matrices, not convolutions.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's: steepest at 0, and singular values end up between 0.7 and 1.2
STEPS = 5


class Muon(torch.optim.Optimizer):
    """For weights of two dimensions and more, each as a matrix (outputs, everything else); AdamW is for the rest."""

    def __init__(
        self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        if flat := [tuple(p.shape) for group in self.param_groups for p in group["params"] if p.ndim < 2]:
            raise ValueError(f"Muon takes matrices and convolutions, not weights of the shape {flat[0]}")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for p in (p for p in group["params"] if p.grad is not None):
                if "momentum" not in self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
                mean = self.state[p]["momentum"]
                mean.mul_(momentum).add_(p.grad)
                ahead = orthogonal(p.grad.add(mean, alpha=momentum).flatten(1))  # Nesterov's
                taller = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
                p.mul_(1 - rate * group["weight_decay"]).add_(ahead.view(p.shape), alpha=-rate * taller)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix with orthonormal rows or columns, roughly, by a Newton–Schulz iteration."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    a, b, c = QUINTIC
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if matrix.shape[0] > matrix.shape[1] else x).contiguous()
