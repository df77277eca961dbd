import numpy as np
import pytest
from PIL import Image

from training import plots
from training.loop import Epoch


def epochs(count: int) -> list[Epoch]:
    return [Epoch(n, 1 / n, 1 / n + 0.1 * abs(n - 3), 0.9, 1.0) for n in range(1, count + 1)]


def assert_is_a_plot(path) -> None:
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert min(image.size) > 300
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


@pytest.mark.parametrize("count", [1, 8])
def test_training_curves_are_drawn(tmp_path, count):
    plots.training_curves(epochs(count), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["accuracy.png", "loss.png"]
    assert_is_a_plot(tmp_path / "loss.png")
    assert_is_a_plot(tmp_path / "accuracy.png")


def test_confusion_matrix_is_drawn(tmp_path):
    matrix = np.diag(np.full(10, 100))
    matrix[4, 9] = 7
    plots.confusion_matrix(matrix, tmp_path / "confusion.png")
    assert_is_a_plot(tmp_path / "confusion.png")


def test_perfect_confusion_matrix_is_drawn(tmp_path):
    plots.confusion_matrix(np.diag(np.full(10, 100)), tmp_path / "confusion.png")
    assert_is_a_plot(tmp_path / "confusion.png")


def test_no_figure_stays_open(tmp_path):
    plots.training_curves(epochs(2), tmp_path)
    assert plots.plt.get_fignums() == []
