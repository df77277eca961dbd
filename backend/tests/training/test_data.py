import numpy as np
import pytest
import torch

from app.config import BACKEND
from tests.training.small import small_digits, write_mnist
from training.data import NO_DIGIT, Digits, as_input, as_targets, load_mnist, mnist_directory, split


@pytest.fixture
def numbered() -> Digits:
    """Pictures that say which one they are."""
    images = torch.zeros(1000, 28, 28, dtype=torch.uint8)
    images[:, 0, 0], images[:, 0, 1] = torch.arange(1000) // 256, torch.arange(1000) % 256
    return Digits(images, torch.arange(1000) % 10)


def numbers(digits: Digits) -> list[int]:
    return (digits.images[:, 0, 0].int() * 256 + digits.images[:, 0, 1].int()).tolist()


def test_split_parts_are_disjoint_and_complete(numbered):
    train, validation = split(numbered, 200)
    assert (len(train), len(validation)) == (800, 200)
    assert sorted(numbers(train) + numbers(validation)) == list(range(1000))


def test_split_is_the_same_every_time(numbered):
    first = split(numbered, 200)
    torch.manual_seed(99)
    torch.rand(10)
    second = split(numbered, 200)
    assert [numbers(part) for part in first] == [numbers(part) for part in second]


def test_split_keeps_each_label_with_its_picture_and_mixes(numbered):
    train, validation = split(numbered, 200)
    for part in (train, validation):
        assert part.labels.tolist() == [number % 10 for number in numbers(part)]
        assert numbers(part) != sorted(numbers(part))
    assert min(np.bincount(validation.labels)) > 8


def test_training_and_test_set_come_from_their_own_files(tmp_path):
    write_mnist(tmp_path, train=60, test=30)
    train, test = load_mnist(tmp_path, train=True), load_mnist(tmp_path, train=False)
    assert torch.equal(train.images, small_digits(60, seed=1).images)
    assert torch.equal(test.images, small_digits(30, seed=2).images)
    assert train.labels.tolist() == [n % 10 for n in range(60)]
    assert not {p.numpy().tobytes() for p in train.images} & {p.numpy().tobytes() for p in test.images}


def test_read_only_folder_will_do(tmp_path):
    write_mnist(tmp_path, train=10, test=10)
    folders = [tmp_path, tmp_path / "MNIST", tmp_path / "MNIST" / "raw"]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert len(load_mnist(tmp_path, train=True)) == 10
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_mnist_dir_is_relative_to_the_backend(monkeypatch, tmp_path):
    monkeypatch.delenv("MNIST_DIR", raising=False)
    assert mnist_directory() == BACKEND / "data"
    monkeypatch.setenv("MNIST_DIR", "")
    assert mnist_directory() == BACKEND / "data"
    monkeypatch.setenv("MNIST_DIR", "../elsewhere")
    assert mnist_directory() == BACKEND / "../elsewhere"
    monkeypatch.setenv("MNIST_DIR", str(tmp_path))
    assert mnist_directory() == tmp_path


def test_input_has_a_channel_and_goes_from_0_to_1():
    images = torch.tensor([[[0, 51], [204, 255]]], dtype=torch.uint8)
    assert as_input(images).dtype == torch.float32
    torch.testing.assert_close(as_input(images), torch.tensor([[[[0.0, 0.2], [0.8, 1.0]]]]))


def test_target_of_no_digit_is_all_ten_alike():
    targets = as_targets(torch.tensor([3, NO_DIGIT]))
    assert targets[0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert targets[1].tolist() == pytest.approx([0.1] * 10)


def test_sum_of_two_sets_holds_both(numbered):
    both = numbered.take(torch.arange(3)) + numbered.take(torch.arange(5, 7))
    assert numbers(both) == [0, 1, 2, 5, 6]
    assert both.labels.tolist() == [0, 1, 2, 5, 6]
