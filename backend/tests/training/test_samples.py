import pytest
import torch

from app.imaging import prepare
from tests.drawings import draw, encode, photo
from tests.training.small import small_digits, write_mnist
from tests.training.test_unipen import write_unipen
from training import samples


@pytest.fixture
def folder(tmp_path):
    for digit in (3, 8):
        (tmp_path / str(digit)).mkdir()
        (tmp_path / str(digit) / "plain.png").write_bytes(encode(draw(digit)))
        (tmp_path / str(digit) / "photo.JPG").write_bytes(encode(photo(draw(digit, 400)), "JPEG"))
    return tmp_path


def test_folders_are_labels(folder):
    found = samples.from_folder(folder)
    assert sorted(found.labels.tolist()) == [3, 3, 8, 8]
    assert found.images.shape == (4, 28, 28)
    assert found.images.dtype == torch.uint8


def test_names_are_labels(tmp_path):
    for name in ("7.png", "7-anna.png", "0_second try.png"):
        (tmp_path / name).write_bytes(encode(draw(int(name[0]))))
    assert sorted(samples.from_folder(tmp_path).labels.tolist()) == [0, 7, 7]


def test_pictures_are_prepared_as_the_server_does(folder):
    found = samples.from_folder(folder)
    prepared = torch.from_numpy(prepare(draw(3)))
    assert any((image / 255 - prepared).abs().max() < 0.51 / 255 for image in found.images)


def test_what_cannot_be_used_is_named_and_left_out(folder, capsys):
    (folder / "3" / "broken.png").write_bytes(b"\x89PNG\r\n")
    (folder / "3" / "blank.png").write_bytes(encode(0 * draw(1)))
    (folder / "seven.png").write_bytes(encode(draw(7)))
    (folder / "3" / "notes.txt").write_text("not a picture")
    assert len(samples.from_folder(folder)) == 4
    said = capsys.readouterr().out
    assert all(name in said for name in ("broken.png", "blank.png", "seven.png"))
    assert "notes.txt" not in said


def test_folder_without_a_digit_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no picture"):
        samples.from_folder(tmp_path)


def test_each_pen_stroke_sample_is_drawn_with_three_pens(tmp_path):
    found = samples.from_unipen(write_unipen(tmp_path / "pen.txt", [4, 2]))
    assert found.labels.tolist() == [4] * 3 + [2] * 3
    amounts = found.images[:3].sum((1, 2)).tolist()
    assert amounts == sorted(amounts)


def test_mnist_s_test_set_is_the_test_set(tmp_path):
    write_mnist(tmp_path, train=20, test=10)
    assert torch.equal(samples.from_mnist(tmp_path).images, small_digits(10, seed=2).images)
