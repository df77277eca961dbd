"""Trains the digit recogniser: data → fit → evaluate → plots → export.

    cd backend && uv sync && uv run python train.py               # from MNIST, synthetic digits and writers' strokes
    uv run python train.py --fast                                 # a minute and a half
    uv run python train.py --epochs 10 --model-path models/try    # any setting of training/config.py, as an option
    uv run python train.py --lessons models/lessons.pt            # from what other networks say: see teach.py
    uv run python train.py --config models/mine/config.yaml       # or from a file; each run writes its own
    DEBUG_MODE=1 uv run python train.py                           # says what happens in every batch

Writes weights, ONNX and card to --model-path, plots and the test
report to --plots, a log next to the model. Stop it with Ctrl-C and run it again: it continues after the last
finished epoch.
"""

import argparse
import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.contrib.logging import logging_redirect_tqdm

from app.card import Card
from app.held_out import HeldOut
from training import cli, export, plots, strokes
from training.architectures import ARCHITECTURES
from training.calibration import calibrate
from training.config import Config, add_options, as_yaml, from_options
from training.data import Digits, load_mnist, mnist_directory, split
from training.device import pick_device
from training.distillation import Lessons, load_lessons, load_teacher
from training.evaluation import as_text, report
from training.loop import Epoch, accuracy, fit, predict
from training.settings import Settings

log = logging.getLogger("train")


class Data(NamedTuple):
    train: Digits  # MNIST's
    drawn: Digits  # by training/strokes.py: synthetic digits, other drawings, and digits after real writers
    lessons: Lessons | None
    held_out: dict[str, Digits]  # by the name of its figure in the card
    writer_digits: int  # how many of `drawn` are after real writers

    @property
    def validation(self) -> Digits:
        first, *rest = self.held_out.values()
        return sum(rest, first)


def main() -> None:
    config, args = parse_arguments()
    cli.start_logging(log, args.model_path / "train.log")
    if Settings().debug_mode:
        log.setLevel(logging.DEBUG)
    device = pick_device(args.no_cuda)
    torch.manual_seed(config.seed)
    log.info("%s on %s with %d threads", config, device, torch.get_num_threads())

    model = build(config).to(device, memory_format=torch.channels_last)
    data = gather(config, args.data)
    with logging_redirect_tqdm():  # else the bars and the log would write over each other
        history = fit(
            model,
            data.train.to(device),
            data.drawn.to(device),
            data.validation.to(device),
            config,
            args.model_path / "checkpoint.pt",
            data.lessons and data.lessons.to(device),
        )
    plots.training_curves(history, args.plots, "teachers' answers" if data.lessons else "labels")

    exported = export.quantized(model.to("cpu"), data.train + data.drawn)
    calibration = calibrate(exported, data.validation, config)
    test = load_mnist(args.data, train=False)
    figures = evaluate(exported, test, calibration.temperature)
    log.info("MNIST test set\n%s", as_text(figures))
    plots.confusion_matrix(np.array(figures["confusion_matrix"]), args.plots / "confusion.png")
    (args.plots / "test_report.json").write_text(json.dumps(figures, indent=2) + "\n")

    card = describe(config, exported, data, history, figures)
    onnx = export.write(model, exported, args.model_path, config.architecture, calibration, **card)
    (args.model_path / "checkpoint.pt").unlink()  # the next run is a new one
    log.info("wrote %s and its card; plots in %s", onnx, args.plots)


def gather(config: Config, mnist: Path) -> Data:
    train, held_out = split(load_mnist(mnist, train=True), config.held_out)
    lessons = load_lessons(Path(config.lessons), len(train)) if config.lessons else None
    log.info("drawing %d synthetic digits and %d other things", config.synthetic_digits, config.non_digits)
    share = len(held_out) / len(train)
    drawn, held_out_drawn = strokes.make_drawn(config.synthetic_digits, config.non_digits, config.seed, share)
    real, held_out_real = strokes.gather_real(config.writer_digits, config.seed)
    held_out_parts = {"mnist": held_out, "drawn": held_out_drawn, "held_out_writers": held_out_real}
    data = Data(train, drawn + real, lessons, held_out_parts, len(real))
    log.info(
        "%d pictures of MNIST, %d synthetic and %d after real writers to train on, %d to validate on",
        len(train),
        len(drawn),
        len(real),
        len(data.validation),
    )
    return data


def build(config: Config) -> torch.nn.Module:
    """The network, with random weights or those that it starts from. Raises Unusable if these are another network's."""
    model = ARCHITECTURES[config.architecture]()
    if config.start:
        start = load_teacher(Path(config.start))
        known = Card.read(Path(config.start) / "card.json").architecture
        if known != config.architecture:
            raise cli.Unusable(f"{config.start} holds the architecture {known}, not {config.architecture}")
        model.load_state_dict(start.state_dict())
    log.info("%s: %d weights", config.architecture, sum(p.numel() for p in model.parameters()))
    return model


def describe(config: Config, model: torch.nn.Module, data: Data, history: list[Epoch], figures: dict) -> dict[str, Any]:
    """What the card says of the run, in addition to what `export.write` knows."""
    best = min(history, key=lambda epoch: epoch.validation_loss)
    validation = {"loss": best.validation_loss, "accuracy": best.validation_accuracy, "epoch": best.epoch}
    validation |= {name: accuracy(model, digits) for name, digits in data.held_out.items()}
    return {
        "created_at": datetime.now(UTC).replace(microsecond=0),
        "data": f"MNIST's training set less {config.held_out} held out for validation"
        f"{', labelled by other networks (teach.py)' if data.lessons else ''}, "
        f"{strokes.describe(config, data.writer_digits)}",
        "held_out": held_out_of(config),
        "hyperparameters": asdict(config),
        "metrics": {
            "validation": validation,
            "mnist_test": {name: figures[name] for name in ("accuracy", "precision", "recall", "f1")},
        },
    }


def held_out_of(config: Config) -> HeldOut:
    """What neither this run nor the model that it starts from has learned from."""
    if not config.start:
        return HeldOut(mnist=config.held_out)
    before = Card.read(Path(config.start) / "card.json")
    mnist = before.held_out.mnist
    if before.parent and not before.format:  # such a card says nothing of its parent
        mnist = None
    return before.held_out.model_copy(update={"mnist": mnist and min(mnist, config.held_out)})


def parse_arguments() -> tuple[Config, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, Config())
    parser.add_argument("--fast", action="store_true", help="a minute and a half, for trying things out")
    parser.add_argument("--data", type=Path, default=mnist_directory(), help="where MNIST is, or is downloaded to")
    parser.add_argument("--model-path", type=Path, default=Path("models/default"), help="folder for what is trained")
    parser.add_argument("--plots", type=Path, default=Path("plots/default"), help="folder for plots and test report")
    config, args = from_options(parser, Config())
    cli.make_folder(args.plots)
    cli.make_folder(args.model_path)
    (args.model_path / "config.yaml").write_text(as_yaml(config))
    return config, args


def evaluate(model: torch.nn.Module, digits: Digits, temperature: float) -> dict:
    probabilities = F.softmax(predict(model, digits.images) / temperature, 1).numpy()
    return report(digits.labels.numpy(), probabilities)


if __name__ == "__main__":
    cli.run(main, stopped="Stopped. The same command continues after the last finished epoch.")
