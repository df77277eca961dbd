"""experiment.py on a small grid and a small data set, as a person would call it."""

import json
import os
import subprocess
import sys

import pytest

from app.config import BACKEND
from tests.training.small import write_mnist

pytestmark = pytest.mark.slow  # it trains six networks; test_wrong_arguments.py has its arguments

mlflow = pytest.importorskip("mlflow", reason="needs the group `experiment`: uv sync --group experiment")

GRIDS = [
    "--architectures dense-simple --augmentations ours rotation-6 --seeds 0",
    "--add --architectures dense-simple lenet --augmentations ours --seeds 0 1",  # one of them was there before
]
SMALL = "--epochs 1 --strokes 40 --held-out 40"
TWO_SEEDS, ONE_SEED = ["dense-simple | ours", "lenet | ours"], ["dense-simple | rotation-6"]
RUNS, REPEATED = 5, 1  # in the table; MLflow keeps the repeated one as well


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    write_mnist(folder / "data", train=300, test=20)
    environment = os.environ | {"MNIST_DIR": str(folder / "data"), "OMP_NUM_THREADS": "1"}
    for grid in GRIDS:
        command = [sys.executable, "experiment.py", *f"{grid} {SMALL}".split()]
        command += ["--store", folder / "runs", "--output", folder / "out"]
        done = subprocess.run(command, cwd=BACKEND, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said").write_text(done.stdout)
    return folder


def test_one_table_has_a_line_for_each_combination(folder):
    table = (folder / "out" / "experiment.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith(("| dense-simple", "| lenet"))]
    assert len(rows) == len(TWO_SEEDS + ONE_SEED)
    for row in rows:
        assert row.startswith(tuple(f"| {which} |" for which in TWO_SEEDS + ONE_SEED))
        assert ("(n=2)" in row) is any(which in row for which in TWO_SEEDS)
    assert table.strip() in (folder / "said").read_text()
    assert (folder / "out" / "experiment.png").stat().st_size > 1000


def test_figures_are_those_of_the_runs(folder):
    results = json.loads((folder / "out" / "experiment.json").read_text())
    assert len(results) == RUNS
    for result in results:
        assert 0 <= result["mnist"] <= 1
        assert 0 <= result["strokes"] <= 1
        assert result["milliseconds"] > 0
    assert {r["weights"] for r in results if r["architecture"] == "lenet"} == {21840}


def test_every_run_is_tracked_with_its_curves_and_files(folder):
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert len(runs) == RUNS + REPEATED
    for run in runs:
        assert {"architecture", "augmentation", "seed", "epochs", "learning_rate"} <= set(run.data.params)
        assert {"train_loss", "validation_loss", "mnist", "strokes", "milliseconds"} <= set(run.data.metrics)
        files = {path.name for path in (folder / "runs" / "artifacts" / run.info.run_id / "artifacts").iterdir()}
        assert {"model.onnx", "loss.png", "accuracy.png"} <= files
