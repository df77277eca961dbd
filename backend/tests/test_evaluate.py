"""evaluate.py on a folder of drawings, as a person would call it."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from app.card import Card
from app.config import BACKEND
from app.recognizer import Recognizer
from tests.drawings import draw, encode
from tests.training.test_unipen import write_unipen


def evaluate(*options) -> str:
    """What it said."""
    command = [sys.executable, "evaluate.py", *options]
    done = subprocess.run(
        command, cwd=BACKEND, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """(the folder written to, what was said): ten digits, of which one lies in the wrong folder."""
    folder = tmp_path_factory.mktemp("evaluate")
    for digit in range(10):
        label = 3 if digit == 7 else digit
        (folder / "digits" / str(label)).mkdir(parents=True, exist_ok=True)
        (folder / "digits" / str(label) / f"x{digit}.png").write_bytes(encode(draw(digit)))
    return folder / "report", evaluate("--data", folder / "digits", "--output", folder / "report")


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


@pytest.mark.slow
def test_several_models_and_letters_go_into_the_card(tmp_path, model):
    for name in ("a", "b", "c"):
        shutil.copytree(BACKEND / "models" / "default", tmp_path / name, ignore=shutil.ignore_patterns("*.pt", "*.log"))
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for file in files:
        write_unipen(file, [0, 3, 4, 8])
        file.write_text(file.read_text().replace('"4"', '"K"'))  # a letter, as far as the file says
    said = evaluate(
        "--model-path",
        tmp_path / "a",
        tmp_path / "b",
        tmp_path / "c",
        "--data",
        *files,
        "--letters",
        "--record",
        "friends",
        "--output",
        tmp_path / "report",
    )
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    card = Card.read(tmp_path / "a" / "card.json")
    recorded = card.metrics.pop("friends")
    assert card == model.card  # nothing else was changed
    assert recorded["accuracies"] == [recorded["accuracy"]] * 3
    assert recorded["std"] == 0
    assert recorded["data"] == "one.txt two.txt"
    assert recorded["letters"] == report["letters"] == 2 * 3  # files, pens
    assert recorded["pictures"] == report["pictures"] == 2 * 3 * 3
    assert 0 <= recorded["letters_unsure"] <= 1
    assert "n=3" in said
    assert Recognizer.load(tmp_path / "a" / "model.onnx").version == model.version
