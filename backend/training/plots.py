"""Numbers → PNGs."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen needed
import matplotlib.pyplot as plt
import numpy as np

from training.loop import Epoch


def training_curves(history: list[Epoch], folder: Path) -> None:
    """loss.png and accuracy.png; the epoch whose weights were kept is marked."""
    epochs = [e.epoch for e in history]
    kept = min(history, key=lambda e: e.validation_loss)

    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    axis.plot(epochs, [e.train_loss for e in history], label="training (augmented)")
    axis.plot(epochs, [e.validation_loss for e in history], label="validation")
    axis.axvline(kept.epoch, color="grey", linestyle=":", label=f"kept: epoch {kept.epoch}")
    axis.set(xlabel="epoch", ylabel="cross-entropy", yscale="log", title="Loss")
    _finish(figure, axis, folder / "loss.png")

    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    axis.plot(epochs, [100 * e.validation_accuracy for e in history], label="validation")
    axis.axvline(kept.epoch, color="grey", linestyle=":", label=f"kept: epoch {kept.epoch}")
    axis.set(xlabel="epoch", ylabel="accuracy in %", title="Validation accuracy")
    _finish(figure, axis, folder / "accuracy.png")


def confusion_matrix(matrix: np.ndarray, path: Path) -> None:
    """(10, 10) counts, the right answers left out of the colours so that the mistakes show."""
    mistakes = matrix.astype(float) * (1 - np.eye(len(matrix)))
    figure, axis = plt.subplots(figsize=(6, 5.4), layout="constrained")
    axis.imshow(mistakes, cmap="Reds")
    for (row, column), count in np.ndenumerate(matrix):
        axis.text(column, row, count, ha="center", va="center", fontsize=8, color="black" if count else "lightgrey")
    axis.set(xlabel="read as", ylabel="is", xticks=range(10), yticks=range(10), title="Test set")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _finish(figure: plt.Figure, axis: plt.Axes, path: Path) -> None:
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
