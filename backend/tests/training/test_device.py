import pytest
import torch

from training.device import pick_device


@pytest.mark.parametrize(
    ("cuda", "mps", "no_cuda", "picked"),
    [
        (True, False, False, "cuda"),
        (False, True, False, "mps"),
        (False, False, False, "cpu"),
        (True, True, True, "cpu"),
    ],
)
def test_gpu_is_picked_where_there_is_one(monkeypatch, cuda, mps, no_cuda, picked):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device(no_cuda).type == picked
