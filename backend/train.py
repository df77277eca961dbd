"""Trains the digit recogniser: data → fit → evaluate → plots → export.

    cd backend && uv sync && uv run python train.py               # from MNIST and drawn digits
    uv run python train.py --fast                                 # a minute and a half
    uv run python train.py --epochs 10 --model-path models/try    # any setting of training/config.py, as an option
    uv run python train.py --lessons models/lessons.pt            # from what larger networks say: see teach.py
    uv run python train.py --config models/default/config.yaml    # or from a file; each run writes its own
    DEBUG_MODE=1 uv run python train.py                           # says what happens in every batch

Writes weights, ONNX and card to --model-path, plots and the test
report to --plots, a log beside the model. Stop it with Ctrl-C and run it again: it goes on after the last
finished epoch.
"""

import argparse
import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.contrib.logging import logging_redirect_tqdm

from training import cli, export, plots
from training.architectures import ARCHITECTURES
from training.calibration import calibrate
from training.config import Config, add_options, as_yaml, from_options
from training.data import Digits, load_mnist, mnist_directory, split
from training.distillation import load_lessons
from training.evaluation import as_text, report
from training.loop import accuracy, fit, predict
from training.settings import Settings
from training.strokes import make_drawn

log = logging.getLogger("train")


def main() -> None:
    config, args = parse_arguments()
    start_logging(args.model_path)
    device = pick_device(args.no_cuda)
    torch.manual_seed(config.seed)
    log.info("%s on %s with %d threads", config, device, torch.get_num_threads())

    train, held_out = split(load_mnist(args.data, train=True), config.held_out)
    lessons = load_lessons(Path(config.lessons), len(train)) if config.lessons else None
    log.info("drawing %d digits and %d other things", config.strokes, config.others)
    drawn, held_out_drawn = make_drawn(config.strokes, config.others, config.seed, share=len(held_out) / len(train))
    validation = held_out + held_out_drawn
    log.info(
        "%d pictures of MNIST and %d drawn to train on, %d to validate on", len(train), len(drawn), len(validation)
    )

    model = ARCHITECTURES[config.architecture]().to(device, memory_format=torch.channels_last)
    log.info("%s: %d weights", config.architecture, sum(p.numel() for p in model.parameters()))
    with logging_redirect_tqdm():  # else the bars and the log would write over each other
        history = fit(model, train.to(device), drawn.to(device), validation.to(device), config,
                      args.model_path / "checkpoint.pt", lessons and lessons.to(device))  # fmt: skip
    plots.training_curves(history, args.plots, "teachers' answers" if lessons else "labels")

    model.to("cpu")
    calibration = calibrate(model, validation, config)
    test = load_mnist(args.data, train=False)
    figures = evaluate(model, test, calibration.temperature)
    log.info("MNIST test set\n%s", as_text(figures))
    plots.confusion_matrix(np.array(figures["confusion_matrix"]), args.plots / "confusion.png")
    (args.plots / "test_report.json").write_text(json.dumps(figures, indent=2) + "\n")

    best = min(history, key=lambda e: e.validation_loss)
    card = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": f"MNIST's training set less {config.held_out} held out for validation"
        f"{', labelled by larger networks (teach.py)' if lessons else ''}, {config.strokes} digits and "
        f"{config.others} other drawings made by training/strokes.py",
        "hyperparameters": asdict(config),
        "weights": sum(p.numel() for p in model.parameters()),
        "metrics": {
            "validation": {
                "loss": best.validation_loss,
                "accuracy": best.validation_accuracy,
                "epoch": best.epoch,
                "mnist": accuracy(model, held_out),
                "drawn": accuracy(model, held_out_drawn),
            },
            "mnist_test": {name: figures[name] for name in ("accuracy", "precision", "recall", "f1")},
        },
    }
    onnx = export.write(model, args.model_path, config.architecture, calibration, card)
    export.check_parity(model, onnx, test.images)
    (args.model_path / "checkpoint.pt").unlink()  # the next run is a new one
    log.info("wrote %s and its card; plots in %s", onnx, args.plots)


def parse_arguments() -> tuple[Config, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, Config())
    parser.add_argument("--fast", action="store_true", help="a minute and a half, for trying things out")
    parser.add_argument("--data", type=Path, default=mnist_directory(), help="where MNIST lies or is downloaded to")
    parser.add_argument("--model-path", type=Path, default=Path("models/default"), help="folder for what is trained")
    parser.add_argument("--plots", type=Path, default=Path("plots/default"), help="folder for plots and test report")
    parser.add_argument("--no-cuda", action="store_true", help="train on the CPU even where there is a GPU")
    config, args = from_options(parser, Config())
    cli.make_folder(args.plots)
    cli.make_folder(args.model_path)
    (args.model_path / "config.yaml").write_text(as_yaml(config))
    return config, args


def start_logging(folder: Path) -> None:
    handlers = [logging.StreamHandler(), logging.FileHandler(folder / "train.log")]
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", handlers=handlers)
    log.setLevel(logging.DEBUG if Settings().debug_mode else logging.INFO)


def pick_device(no_cuda: bool) -> torch.device:
    if not no_cuda and torch.cuda.is_available():
        return torch.device("cuda")
    if not no_cuda and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def evaluate(model: torch.nn.Module, digits: Digits, temperature: float) -> dict:
    probabilities = F.softmax(predict(model, digits.images) / temperature, 1).numpy()
    return report(digits.labels.numpy(), probabilities)


if __name__ == "__main__":
    cli.run(main, stopped="Stopped. The same command goes on after the last finished epoch.")
