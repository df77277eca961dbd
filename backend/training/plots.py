"""Numbers → PNGs."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen needed
import matplotlib.pyplot as plt
import numpy as np

from training.evaluation import confidence_bins
from training.loop import Epoch


def training_curves(history: list[Epoch], folder: Path, against: str = "labels") -> None:
    """loss.png and accuracy.png; the epoch that was kept is marked. The training loss compares with `against`."""
    epochs = [e.epoch for e in history]
    kept = min(history, key=lambda e: e.validation_loss)

    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    axis.plot(epochs, [e.train_loss for e in history], label=f"training, augmented, against {against}")
    axis.plot(epochs, [e.validation_loss for e in history], label="validation, against labels")
    axis.axvline(kept.epoch, color="grey", linestyle=":", label=f"kept: epoch {kept.epoch}")
    axis.set(xlabel="epoch", ylabel="cross-entropy or divergence", yscale="log", title="Loss")
    _finish(figure, axis, folder / "loss.png")

    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    axis.plot(epochs, [100 * e.validation_accuracy for e in history], label="validation")
    axis.axvline(kept.epoch, color="grey", linestyle=":", label=f"kept: epoch {kept.epoch}")
    axis.set(xlabel="epoch", ylabel="accuracy in %", title="Validation accuracy")
    _finish(figure, axis, folder / "accuracy.png")


def confusion_matrix(matrix: np.ndarray, path: Path) -> None:
    """(10, 10) counts, the right predictions left out of the colours so that the mistakes show."""
    mistakes = matrix.astype(float) * (1 - np.eye(len(matrix)))
    figure, axis = plt.subplots(figsize=(6, 5.4), layout="constrained")
    axis.imshow(mistakes, cmap="Reds")
    for (row, column), count in np.ndenumerate(matrix):
        axis.text(column, row, count, ha="center", va="center", fontsize=8, color="black" if count else "lightgrey")
    axis.set(xlabel="read as", ylabel="is", xticks=range(10), yticks=range(10), title="Confusion matrix")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def calibration(probabilities: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """How often predictions of each confidence are right, from (n, 10) probabilities; the diagonal is ideal."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bin_of = confidence_bins(confidence)
    used = np.unique(bin_of)
    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", label="ideal")
    sizes = [20 + 180 * (bin_of == b).mean() for b in used]
    x, y = [confidence[bin_of == b].mean() for b in used], [right[bin_of == b].mean() for b in used]
    axis.plot(x, y, alpha=0.5)
    axis.scatter(x, y, sizes, label="predictions (size: how many)")
    axis.set(xlabel="confidence", ylabel="share right", title="Calibration", xlim=(0, 1.02), ylim=(0, 1.02))
    _finish(figure, axis, path)


def predictions(
    images: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, index: np.ndarray, path: Path
) -> None:
    """A grid of the chosen (28, 28) pictures: what they are, what was read, how sure; wrong ones in red."""
    columns = min(8, max(1, len(index)))
    rows = max(1, -(-len(index) // columns))
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.5 * columns, 1.85 * rows), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, i in zip(axes.flat, index, strict=False):
        answer = probabilities[i].argmax()
        axis.imshow(images[i], cmap="gray", vmin=0, vmax=1)
        colour = "black" if answer == labels[i] else "tab:red"
        axis.set_title(f"{labels[i]} read as {answer}\n{100 * probabilities[i].max():.0f}%", fontsize=9, color=colour)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def comparison(points: list[tuple[str, float, float]], path: Path) -> None:
    """Accuracy against time, from (name, milliseconds, accuracy); runs of one name in one colour."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for name in dict.fromkeys(name for name, _, _ in points):
        mine = [(time, 100 * accuracy) for other, time, accuracy in points if other == name]
        axis.scatter(*zip(*mine, strict=True), label=name)
    axis.set(
        xlabel="milliseconds a picture", ylabel="accuracy on synthetic digits in %", xscale="log", title="Experiment"
    )
    _finish(figure, axis, path)


def _finish(figure: plt.Figure, axis: plt.Axes, path: Path) -> None:
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
