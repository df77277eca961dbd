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
HELD_OUT = 40  # of MNIST, and as many synthetic digits
SMALL = f"--epochs 1 --synthetic-digits 40 --held-out {HELD_OUT}"
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


def tracked_runs(folder) -> list:
    """MLflow's, the newest first."""
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")
    return mlflow.search_runs(search_all_experiments=True, order_by=["start_time DESC"], output_format="list")


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
    tracked = {run.info.run_name: run.data.metrics for run in tracked_runs(folder)[::-1]}  # the newest of a name
    for result in results:
        metrics = tracked[f"{result['architecture']}, {result['augmentation']}, seed {result['seed']}"]
        figures = {name: value for name, value in result.items() if isinstance(value, float) or name == "weights"}
        assert set(figures) == {"mnist", "synthetic", "weights", "milliseconds", "training_seconds"}
        assert {name: metrics[name] for name in figures} == figures
        digits = result["mnist"] * HELD_OUT, result["synthetic"] * HELD_OUT
        assert digits == pytest.approx([round(each) for each in digits], abs=1e-3)  # a share of the pictures
        assert sum(digits) == pytest.approx(2 * HELD_OUT * metrics["validation_accuracy"], abs=1e-3)  # of both together
    assert {r["weights"] for r in results if r["architecture"] == "lenet"} == {21840}


def test_every_run_is_tracked_with_its_curves_and_files(folder):
    runs = tracked_runs(folder)
    assert len(runs) == RUNS + REPEATED
    for run in runs:
        assert {"architecture", "augmentation", "seed", "epochs", "learning_rate"} <= set(run.data.params)
        assert {"train_loss", "validation_loss", "mnist", "synthetic", "milliseconds"} <= set(run.data.metrics)
        files = {path.name for path in (folder / "runs" / "artifacts" / run.info.run_id / "artifacts").iterdir()}
        assert {"model.onnx", "loss.png", "accuracy.png"} <= files
