"""evaluate.py on a folder of drawings, as a person would call it."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from app.config import BACKEND
from tests.drawings import draw, encode


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """(the folder written to, what was said): ten digits, of which one lies in the wrong folder."""
    folder = tmp_path_factory.mktemp("evaluate")
    for digit in range(10):
        label = 3 if digit == 7 else digit
        (folder / "digits" / str(label)).mkdir(parents=True, exist_ok=True)
        (folder / "digits" / str(label) / f"x{digit}.png").write_bytes(encode(draw(digit)))
    command = [sys.executable, "evaluate.py", "--data", folder / "digits", "--output", folder / "report"]
    done = subprocess.run(
        command, cwd=BACKEND, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "report", done.stdout + done.stderr


def test_report_counts_what_was_read(evaluated, model):
    report = json.loads((evaluated[0] / "report.json").read_text())
    assert report["model"] == model.version
    assert report["pictures"] == 10
    assert report["accuracy"] == pytest.approx(0.9)
    assert report["confusion_matrix"][3][7] == 1
    assert 0 <= report["right_but_unsure"] <= 1


def test_figures_are_printed_and_kept(evaluated):
    folder, said = evaluated
    assert "accuracy 0.9000" in said
    assert "accuracy 0.9000" in (folder / "evaluate.log").read_text()


@pytest.mark.parametrize("name", ["confusion.png", "calibration.png", "mistakes.png", "samples.png"])
def test_plot_is_drawn(evaluated, name):
    with Image.open(evaluated[0] / name) as plot:
        assert min(plot.size) > 100
