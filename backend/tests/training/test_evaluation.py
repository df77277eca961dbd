import numpy as np
import pytest

from training.evaluation import as_text, calibration_error, confusion_matrix, fit_temperature, report

# three digits only: 0 twice right; 1 once right, once read as 0; 2 read as 1
LABELS = np.array([0, 0, 1, 1, 2])
ANSWERS = np.array([0, 0, 1, 0, 1])


def certain(answers: np.ndarray, confidence: float = 1.0) -> np.ndarray:
    """(n, 10) probabilities: `confidence` for the answer, the rest shared."""
    rest = (1 - confidence) / 9
    return np.where(np.arange(10) == answers[:, None], confidence, rest)


def test_confusion_matrix_has_labels_in_rows():
    matrix = confusion_matrix(LABELS, ANSWERS)
    wanted = np.zeros((10, 10), int)
    wanted[0, 0], wanted[1, 1], wanted[1, 0], wanted[2, 1] = 2, 1, 1, 1
    np.testing.assert_array_equal(matrix, wanted)


def test_figures_are_those_counted_by_hand():
    found = report(LABELS, certain(ANSWERS))
    assert found["pictures"] == 5
    assert found["accuracy"] == pytest.approx(3 / 5)
    zero, one, two = found["per_class"][:3]
    assert zero == pytest.approx({"digit": 0, "pictures": 2, "precision": 2 / 3, "recall": 1, "f1": 4 / 5})
    assert one == pytest.approx({"digit": 1, "pictures": 2, "precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2})
    assert two == pytest.approx({"digit": 2, "pictures": 1, "precision": 0, "recall": 0, "f1": 0})
    # macro: the mean over all ten classes
    assert found["recall"] == pytest.approx(1.5 / 10)
    assert found["f1"] == pytest.approx(1.3 / 10)


def test_perfect_answers_score_one():
    labels = np.arange(50) % 10
    found = report(labels, certain(labels))
    assert [found[name] for name in ("accuracy", "precision", "recall", "f1")] == [1, 1, 1, 1]
    assert found["calibration_error"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("confidence", "right", "error"), [(0.9, 90, 0), (0.9, 60, 0.3), (0.55, 100, 0.45), (1.0, 0, 1)]
)
def test_calibration_error_is_the_gap_between_confidence_and_accuracy(confidence, right, error):
    hits = np.arange(100) < right
    assert calibration_error(np.full(100, confidence), hits) == pytest.approx(error, abs=1e-9)


def test_calibration_error_weighs_bins_by_their_size():
    confidence = np.array([0.95] * 30 + [0.35] * 10)
    right = np.array([True] * 30 + [False] * 10)
    assert calibration_error(confidence, right) == pytest.approx((30 * 0.05 + 10 * 0.35) / 40)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0])
def test_known_temperature_is_found(temperature):
    dice = np.random.default_rng(0)
    logits = dice.normal(0, 2, (8_000, 10))
    odds = np.exp(logits)
    cumulated = np.cumsum(odds / odds.sum(1, keepdims=True), 1)
    labels = (cumulated < dice.random((8_000, 1))).sum(1)  # as likely as the logits say
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.06)


def test_huge_logits_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(fit_temperature(np.array([[900.0, -900] + [0] * 8] * 4), np.array([0, 0, 1, 0])))


def test_report_reads_as_a_table():
    lines = as_text(report(LABELS, certain(ANSWERS))).splitlines()
    assert lines[0].split() == ["digit", "pictures", "precision", "recall", "F1"]
    assert lines[1].split() == ["0", "2", "0.6667", "1.0000", "0.8000"]
    assert "accuracy 0.6000" in lines[-1]
