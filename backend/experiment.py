"""Architectures × augmentations × seeds, side by side: one table, one plot, every run tracked by MLflow.

    uv run --group experiment python experiment.py --architectures broad lenet --augmentations ours rotation-12
    uv run --group experiment python experiment.py --add --architectures wide    # into the same table as the last ones
    uv run --group experiment python experiment.py --all                # everything, three seeds: hours on a CPU
    uv run --group experiment mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db   # then http://localhost:5000

Each run trains on MNIST and synthetic digits (training/strokes.py), on the CPU. The table has the accuracy (mean ±
standard deviation over the seeds) on MNIST's held-out validation pictures and on fresh synthetic digits, the size, and
the time that ONNX Runtime takes for a picture with 32-bit weights and one thread. MNIST's test set plays no part: here
models are compared, which is choosing.
"""

import argparse
import itertools
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from training import cli, export, plots
from training.architectures import ARCHITECTURES
from training.augmentation import AUGMENTATIONS
from training.config import Config
from training.data import Digits, load_mnist, mnist_directory, split
from training.loop import Epoch, accuracy, fit
from training.strokes import make_digits

# MLflow reports its use to its makers unless this is switched off before it is loaded
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
try:
    import mlflow
except ModuleNotFoundError as e:
    raise SystemExit("MLflow is missing: uv run --group experiment python experiment.py installs it.") from e

log = logging.getLogger("experiment")
EXPERIMENT = "digit-recogniser"


@dataclass(frozen=True)
class Result:
    architecture: str
    augmentation: str
    seed: int
    mnist: float  # accuracy on the held-out pictures
    synthetic: float  # accuracy on synthetic digits
    weights: int
    milliseconds: float
    training_seconds: float

    @property
    def which(self) -> tuple[str, str, int]:
        return self.architecture, self.augmentation, self.seed


def main() -> None:
    args = parse_arguments()
    cli.start_logging(log, timed=False)
    results = read_results(args.output) if args.add else []
    train, validation = split(load_mnist(mnist_directory(), train=True), args.held_out)
    drawn, drawn_validation = make_digits(args.synthetic_digits, seed=0), make_digits(args.held_out, seed=1)

    grid = list(itertools.product(args.architectures, args.augmentations, args.seeds))
    open_store(args.store)
    for number, (architecture, augmentation, seed) in enumerate(grid, 1):
        with mlflow.start_run(run_name=f"{architecture}, {augmentation}, seed {seed}"):
            config = Config(
                architecture=architecture,
                augmentation=AUGMENTATIONS[augmentation],
                seed=seed,
                epochs=args.epochs,
                synthetic_digits=args.synthetic_digits,
                writer_digits=0,
                non_digits=0,
                drawn_per_epoch=args.synthetic_digits,
                held_out=args.held_out,
                muon_learning_rate=0,  # AdamW suits them all: some have no convolutions
            )
            result = run(config, augmentation, train, drawn, validation, drawn_validation)
        results = [other for other in results if other.which != result.which] + [result]
        write_results(results, args.output)  # after each: a grid that is stopped has not run in vain
        log.info(
            "%d/%d %s, %s, seed %d: MNIST %.2f%%, synthetic digits %.2f%%",
            number,
            len(grid),
            architecture,
            augmentation,
            seed,
            100 * result.mnist,
            100 * result.synthetic,
        )
    print("\n".join(as_table(results)))


def read_results(folder: Path) -> list[Result]:
    """Those of earlier runs. Raises Unusable where the file is another's or damaged."""
    file = folder / "experiment.json"
    try:
        return [Result(**row) for row in json.loads(file.read_text())] if file.exists() else []
    except (ValueError, TypeError) as e:
        raise cli.Unusable(f"{file} is not a table of this experiment.py; without --add it is replaced") from e


def write_results(results: list[Result], folder: Path) -> None:
    (folder / "experiment.json").write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n")
    (folder / "experiment.md").write_text("\n".join(as_table(results)) + "\n")
    points = [(f"{r.architecture}, {r.augmentation}", r.milliseconds, r.synthetic) for r in results]
    plots.comparison(points, folder / "experiment.png")


def open_store(folder: Path) -> None:
    """MLflow's own store, runs and files together in one folder."""
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    if not mlflow.get_experiment_by_name(EXPERIMENT):
        mlflow.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").absolute().as_uri())
    mlflow.set_experiment(EXPERIMENT)


def run(
    config: Config, augmentation: str, train: Digits, drawn: Digits, validation: Digits, drawn_validation: Digits
) -> Result:
    """Trains one network, and tells MLflow its parameters, curves, figures and files."""
    mlflow.log_params(asdict(config) | {"augmentation": augmentation})
    torch.manual_seed(config.seed)
    model = ARCHITECTURES[config.architecture]().to(memory_format=torch.channels_last)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        history = fit(model, train, drawn, validation + drawn_validation, config, here / "checkpoint.pt")
        seconds = time.monotonic() - start
        (here / "checkpoint.pt").unlink()
        onnx = export.to_onnx(model, here / "model.onnx")
        plots.training_curves(history, here)
        result = Result(
            config.architecture,
            augmentation,
            config.seed,
            accuracy(model, validation),
            accuracy(model, drawn_validation),
            sum(p.numel() for p in model.parameters()),
            export.time_of(onnx),
            seconds,
        )
        track(history, result)
        mlflow.log_artifacts(folder)
    return result


def track(history: list[Epoch], result: Result) -> None:
    for epoch in history:
        curves = {k: v for k, v in asdict(epoch).items() if k != "epoch"}
        mlflow.log_metrics(curves, step=epoch.epoch)
    mlflow.log_metrics({k: v for k, v in asdict(result).items() if isinstance(v, int | float) and k != "seed"})


def as_table(results: list[Result]) -> Iterator[str]:
    """Markdown, the best on synthetic digits first."""
    yield "| architecture | augmentation | MNIST validation | synthetic digits | weights | ms a picture | training |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.architecture, result.augmentation), []).append(result)
    for (architecture, augmentation), group in sorted(groups.items(), key=lambda g: -_mean(r.synthetic for r in g[1])):
        figures = [
            architecture,
            augmentation,
            _spread(r.mnist for r in group),
            _spread(r.synthetic for r in group),
            f"{group[0].weights:,}",
            f"{_mean(r.milliseconds for r in group):.2f}",
            f"{_mean(r.training_seconds for r in group):.0f} s",
        ]
        yield f"| {' | '.join(figures)} |"


def _mean(values: Iterator[float]) -> float:
    return statistics.fmean(values)


def _spread(values: Iterator[float]) -> str:
    """Mean ± standard deviation in per cent, with n."""
    shares = [100 * value for value in values]
    return f"{_mean(iter(shares)):.2f}%" + (
        f" ± {statistics.stdev(shares):.2f} (n={len(shares)})" if shares[1:] else ""
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=["broad", "lenet"])
    parser.add_argument("--augmentations", nargs="+", choices=AUGMENTATIONS, default=["ours", "rotation-12"])
    parser.add_argument("--seeds", nargs="+", type=cli.seed, default=[0])
    parser.add_argument("--epochs", type=cli.whole(1), default=3)
    parser.add_argument(
        "--synthetic-digits", type=cli.whole(0), default=20_000, help="made by training/strokes.py, to train on"
    )
    parser.add_argument("--add", action="store_true", help="to the table of earlier runs in --output")
    parser.add_argument("--all", action="store_true", help="all architectures, all augmentations, three seeds")
    parser.add_argument(
        "--held-out",
        type=cli.whole(1),
        default=5000,
        help="MNIST pictures, and as many synthetic digits, to compare on",
    )
    parser.add_argument("--store", type=Path, default=Path("mlruns"), help="folder where MLflow keeps its runs")
    parser.add_argument("--output", type=Path, default=Path("plots/experiment"), help="folder for table and plot")
    args = parser.parse_args()
    cli.make_folder(args.store)
    cli.make_folder(args.output)
    if args.all:
        args.architectures, args.augmentations, args.seeds = list(ARCHITECTURES), list(AUGMENTATIONS), [0, 1, 2]
    return args


if __name__ == "__main__":
    cli.run(main, stopped="Stopped. The runs that finished are in the table; --add continues with it.")
