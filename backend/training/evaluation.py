"""Figures on a classifier's predictions."""

from typing import Any

import numpy as np

CLASSES = 10
BINS = 15  # of confidence


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(10, 10) int64: row is the label, column the answer."""
    return np.bincount(labels * CLASSES + predictions, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def confidence_bins(confidence: np.ndarray) -> np.ndarray:
    """(n,) from 0 to 1 → (n,) int: which of BINS bins of equal width each is in."""
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over bins of equal width (Guo et al., 2017)."""
    bin_of = confidence_bins(confidence)
    gaps = [
        abs(right[bin_of == b].mean() - confidence[bin_of == b].mean()) * (bin_of == b).mean()
        for b in np.unique(bin_of)
    ]
    return float(sum(gaps))


def report(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """Accuracy, precision, recall and F1, overall (macro) and per class, from (n,) labels and (n, 10) probabilities."""
    predictions = probabilities.argmax(1)
    matrix = confusion_matrix(labels, predictions)
    right = matrix.diagonal()
    precision = right / np.maximum(matrix.sum(0), 1)
    recall = right / np.maximum(matrix.sum(1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {
        "pictures": len(labels),
        "accuracy": float((predictions == labels).mean()),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
        "calibration_error": calibration_error(probabilities.max(1), predictions == labels),
        "per_class": [
            {
                "digit": d,
                "pictures": int(matrix[d].sum()),
                "precision": float(precision[d]),
                "recall": float(recall[d]),
                "f1": float(f1[d]),
            }
            for d in range(CLASSES)
        ],
        "confusion_matrix": matrix.tolist(),
    }


def as_text(figures: dict[str, Any]) -> str:
    """The report as a table for people."""
    row = "{:>7} {:>9} {:>10.4f} {:>8.4f} {:>8.4f}".format
    lines = [f"{'digit':>7} {'pictures':>9} {'precision':>10} {'recall':>8} {'F1':>8}"]
    lines += [row(c["digit"], c["pictures"], c["precision"], c["recall"], c["f1"]) for c in figures["per_class"]]
    lines.append(row("all", figures["pictures"], figures["precision"], figures["recall"], figures["f1"]))
    lines.append(f"accuracy {figures['accuracy']:.4f}, expected calibration error {figures['calibration_error']:.4f}")
    return "\n".join(lines)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the lowest negative log-likelihood (Guo et al., 2017), to half a per cent."""
    candidates = np.geomspace(0.2, 5, 650)
    return float(min(candidates, key=lambda t: _negative_log_likelihood(logits / t, labels)))


def _negative_log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    top = logits.max(1)
    return float(np.mean(np.log(np.exp(logits - top[:, None]).sum(1)) + top - logits[np.arange(len(labels)), labels]))
