import pytest
import torch
import torch.nn.functional as F

from training.architectures import ARCHITECTURES


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_network_gives_ten_logits_for_each_picture(name):
    model = ARCHITECTURES[name]().eval()
    with torch.inference_mode():
        assert model(torch.rand(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_weight_learns(name):
    torch.manual_seed(0)
    model = ARCHITECTURES[name]()
    F.cross_entropy(model(torch.rand(16, 1, 28, 28)), torch.arange(16) % 10).backward()
    assert not [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_dropout_is_off_when_it_serves(name):
    model = ARCHITECTURES[name]().eval()
    picture = torch.rand(1, 1, 28, 28)
    with torch.inference_mode():
        assert torch.equal(model(picture), model(picture))
