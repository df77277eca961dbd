import pytest
import torch
from torch import nn

from training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(16, 16), (16, 144), (128, 32)])
def test_every_direction_counts_the_same(shape):
    torch.manual_seed(0)
    steep = torch.diag(torch.logspace(0, -2, min(shape)))  # singular values from 1 to 0.01
    one, other = (torch.linalg.qr(torch.randn(side, min(shape)))[0] for side in shape)
    values = torch.linalg.svdvals(orthogonal(one @ steep @ other.T))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_directions_stay_the_gradient_s_own():
    torch.manual_seed(0)
    matrix = torch.randn(8, 40)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    along = torch.diag(u.T @ orthogonal(matrix) @ v.T)
    assert (along > 0.5).all()


def test_no_gradient_is_no_step():
    weight = nn.Parameter(torch.ones(4, 3, 3, 3))
    weight.grad = torch.zeros_like(weight)
    Muon([weight]).step()
    assert torch.equal(weight, torch.ones(4, 3, 3, 3))


def test_step_is_as_long_as_the_rate_whatever_the_gradient():
    torch.manual_seed(0)
    lengths = []
    for scale in (1e-3, 1e3):
        weight = nn.Parameter(torch.zeros(8, 4, 3, 3))
        weight.grad = scale * torch.randn(8, 4, 3, 3)
        Muon([weight], lr=0.1).step()
        lengths.append(torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item())
    assert lengths == pytest.approx([0.1, 0.1], rel=0.3)


def test_decay_draws_weights_to_zero():
    weight = nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros_like(weight)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight, torch.full((4, 4), 0.95))


def test_memory_format_changes_nothing():
    torch.manual_seed(0)
    start, gradient = torch.randn(8, 4, 3, 3), torch.randn(8, 4, 3, 3)
    after = []
    for kind in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(start.clone(memory_format=kind))
        weight.grad = gradient.clone(memory_format=kind)
        Muon([weight]).step()
        after.append(weight.detach())
    assert torch.allclose(*after, atol=1e-6)


def test_biases_are_refused():
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        Muon([nn.Parameter(torch.zeros(5))])
