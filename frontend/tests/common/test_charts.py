"""What the charts draw."""

from datetime import date

import pytest

from common import charts
from schemas import ConfidenceBin, DayAnswers, DayModelStatistics, DigitStatistics, ModelStatistics


def rows(chart) -> list[dict]:
    return max(chart.to_dict()["datasets"].values(), key=len)


def domains(chart) -> list:
    return [layer["encoding"]["y"].get("scale", {}).get("domain") for layer in chart.to_dict()["layer"]]


def test_digit_nobody_drew_has_no_share():
    digits = [
        DigitStatistics(digit=digit, submissions=0, correct=0, false_alarms=0, recall=None) for digit in range(10)
    ]
    digits[3] = DigitStatistics(digit=3, submissions=4, correct=3, false_alarms=0, recall=0.75)
    found = rows(charts.recall(digits))
    assert [row["counted"] for row in found][2:5] == ["none yet", "75.0% of 4", "none yet"]
    assert (found[3]["low"], found[3]["high"]) == pytest.approx((0.301, 0.954), abs=1e-3)


def test_confusion_is_shaded_within_the_row():
    matrix = [[0] * 10 for _ in range(10)]
    matrix[1][1], matrix[1][7] = 3, 1
    cells = {(row["meant"], row["read"]): row for row in rows(charts.confusion(matrix))}
    assert len(cells) == 100
    assert cells[1, 7]["share"] == 0.25
    assert cells[0, 0]["share"] == 0


def test_only_cells_with_sketches_look_as_if_a_click_did_something():
    cells, numbers = charts.confusion([[1] * 10 for _ in range(10)]).to_dict()["layer"]
    for layer in (cells, numbers):
        assert layer["mark"]["cursor"] == {"expr": "datum.count > 0 ? 'pointer' : 'default'"}


def test_every_axis_of_figures_has_a_title():
    matrix = [[1] * 10 for _ in range(10)]
    bins = [ConfidenceBin(low=0.9, high=1, submissions=20, mean_confidence=0.97, accuracy=0.95)]
    answers = [DayAnswers(day=date(2026, 11, 1), answers=50, unsure=5)]
    drawn = [
        charts.confusion(matrix),
        charts.calibration(bins),
        charts.accuracy_by_day(days(0.9)),
        charts.unsure_by_day(answers),
    ]
    for chart in drawn:
        layer = chart.to_dict()["layer"][0]["encoding"]
        assert layer["x"]["axis"]["title"]
        assert layer["y"]["axis"]["title"]
        assert len(chart.to_dict()["description"].split()) > 5


def test_calibration_leaves_empty_bins_out():
    bins = [
        ConfidenceBin(low=0.9, high=1, submissions=20, mean_confidence=0.97, accuracy=0.95),
        ConfidenceBin(low=0.8, high=0.9, submissions=0, mean_confidence=None, accuracy=None),
    ]
    datasets = charts.calibration(bins).to_dict()["datasets"].values()
    assert [row["submissions"] for data in datasets for row in data if "submissions" in row] == [20]


def test_calibration_is_drawn_from_the_lowest_figure_on():
    bins = [ConfidenceBin(low=0.9, high=1, submissions=2000, mean_confidence=0.99, accuracy=0.985)]
    low, high = domains(charts.calibration(bins))[0]
    assert 0.95 < low < 0.985
    assert high == 1


def days(*accuracies: float, model: str = "a") -> list[DayModelStatistics]:
    return [
        DayModelStatistics(day=date(2026, 11, day), model=model, submissions=5, accuracy=accuracy)
        for day, accuracy in enumerate(accuracies, 1)
    ]


def test_days_are_those_of_the_server():
    chart = charts.accuracy_by_day(days(0.9, 0.95)).to_dict()
    assert chart["layer"][0]["encoding"]["x"]["timeUnit"] == "utcyearmonthdate"
    assert [row["day"] for row in rows(charts.accuracy_by_day(days(0.9, 0.95)))] == ["2026-11-01", "2026-11-02"]


def test_only_days_with_sketches_are_labelled():
    later = days(0.9)[0].model_copy(update={"day": date(2026, 11, 9)})
    axis = charts.accuracy_by_day([*days(0.9), later, *days(0.8, model="b")]).to_dict()["layer"][0]["encoding"]["x"][
        "axis"
    ]
    assert [day["date"] for day in axis["values"]] == [1, 9]


def test_every_dot_of_a_day_is_within_the_chart_with_its_interval():
    chart = charts.accuracy_by_day(days(0.4, 1.0))
    low, high = domains(chart)[0]
    assert 0 <= low < min(row["low"] for row in rows(chart))
    assert high > 1


def test_one_model_needs_no_legend():
    one, two = charts.accuracy_by_day(days(0.9)), charts.accuracy_by_day(days(0.9) + days(0.8, model="b"))
    legends = [chart.to_dict()["layer"][0]["encoding"]["color"]["legend"] for chart in (one, two)]
    assert legends[0] is None
    assert legends[1] is not None


def test_more_models_than_colors_are_drawn():
    many = [day for i in range(9) for day in days(0.9, model=f"m{i}")]
    assert len(rows(charts.accuracy_by_day(many))) == 9


def test_models_are_listed_with_their_sketches():
    models = [ModelStatistics(model="a", submissions=1200, accuracy=0.951)]
    assert [row["counted"] for row in rows(charts.accuracy_by_model(models))] == ["95.1% of 1,200"]


def test_share_of_unsure_answers_is_of_each_day():
    answers = [DayAnswers(day=date(2026, 11, day), answers=50, unsure=day) for day in (1, 20)]
    chart = charts.unsure_by_day(answers)
    assert [row["share"] for row in rows(chart)] == [0.02, 0.4]
    assert all(row["low"] < row["share"] < row["high"] for row in rows(chart))
    assert domains(chart)[0][1] > max(row["high"] for row in rows(chart))
