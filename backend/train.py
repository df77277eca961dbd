"""Trains the digit recogniser: data → fit → evaluate → plots → export.

    cd backend && uv sync && uv run python train.py             # 10 epochs
    uv run python train.py --bfloat16                           # the model that ships: 8 minutes on 2 CPU cores
    uv run python train.py --epochs 2 --model-path models/try   # any setting below, as an option
    DEBUG_MODE=1 uv run python train.py                         # says what happens in every batch

Expect 99.5% on MNIST's test set. Writes weights, ONNX and card to --model-path, plots and the test
report to --plots, a log beside the model. Stop it with Ctrl-C and run it again: it goes on after the last
finished epoch.
"""

import argparse
import json
import logging
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.contrib.logging import logging_redirect_tqdm

from training import export, plots
from training.architectures import ARCHITECTURES
from training.augmentation import Augmentation, augment
from training.data import NO_DIGIT, Digits, Settings, as_input, load_mnist, mnist_directory, split
from training.evaluation import as_text, fit_temperature, report
from training.loop import FitConfig, fit, predict
from training.strokes import make_digits, make_others

log = logging.getLogger("train")


@dataclass(frozen=True)
class Config(FitConfig):
    """Every hyperparameter; each is an option of the command line."""

    architecture: str = "compact"
    epochs: int = 10
    batch_size: int = 256  # smaller learns more an epoch, larger is faster
    learning_rate: float = 3e-3  # the peak of the cycle
    weight_decay: float = 0.02
    averaging: float = 0.998  # of weights, exponential: a memory of about 500 batches
    bfloat16: bool = False  # half the time on CPUs with AVX512-BF16 or AMX and on GPUs, slower on others
    patience: int = 10  # epochs without a better validation loss; the cycle's last third is its best
    held_out: int = 5000  # of the 60,000, for validation
    strokes: int = 40_000  # digits made by training/strokes.py: styles that MNIST lacks
    others: int = 10_000  # drawings that are no digits, to be unsure of; more make it doubt digits, too
    unsure_share: float = 0.012  # of right answers on augmented validation pictures that may be called unsure
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)


def main() -> None:
    config, args = parse_arguments()
    start_logging(args.model_path)
    device = pick_device(args.no_cuda)
    torch.manual_seed(config.seed)
    log.info("%s on %s with %d threads", config, device, torch.get_num_threads())

    train, validation = gather(args.data, config)
    train, validation = train.to(device), validation.to(device)
    log.info("%d pictures to train on, %d to validate on", len(train), len(validation))

    model = ARCHITECTURES[config.architecture]().to(device, memory_format=torch.channels_last)
    log.info("%s: %d weights", config.architecture, sum(p.numel() for p in model.parameters()))
    fit_config = FitConfig(**{f.name: getattr(config, f.name) for f in fields(FitConfig)})
    with logging_redirect_tqdm():  # else the bars and the log would write over each other
        history = fit(model, train, validation, config.augmentation, fit_config, args.model_path / "checkpoint.pt")
    plots.training_curves(history, args.plots)

    model.to("cpu")
    calibration = calibrate(model, validation.to(torch.device("cpu")), config)
    test = load_mnist(args.data, train=False)
    figures = evaluate(model, test, calibration.temperature)
    log.info("MNIST test set\n%s", as_text(figures))
    plots.confusion_matrix(np.array(figures["confusion_matrix"]), args.plots / "confusion.png")
    (args.plots / "test_report.json").write_text(json.dumps(figures, indent=2) + "\n")

    best = min(history, key=lambda e: e.validation_loss)
    card = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": f"MNIST's training set less {config.held_out} held out for validation, {config.strokes} digits and "
        f"{config.others} other drawings made by training/strokes.py",
        "hyperparameters": asdict(config),
        "weights": sum(p.numel() for p in model.parameters()),
        "metrics": {
            "validation": {"loss": best.validation_loss, "accuracy": best.validation_accuracy, "epoch": best.epoch},
            "mnist_test": {name: figures[name] for name in ("accuracy", "precision", "recall", "f1")},
        },
    }
    onnx = export.write(model, args.model_path, config.architecture, calibration, card)
    export.check_parity(model, onnx, test.images)
    (args.model_path / "checkpoint.pt").unlink()  # the next run is a new one
    log.info("wrote %s and its card; plots in %s", onnx, args.plots)


def parse_arguments() -> tuple[Config, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    settable = [f for f in fields(Config) if f.name != "augmentation"]
    for setting in settable:
        name, kind = "--" + setting.name.replace("_", "-"), type(setting.default)
        how = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind}
        if setting.name == "architecture":
            how["choices"] = sorted(ARCHITECTURES)
        parser.add_argument(name, default=setting.default, **how)
    parser.add_argument("--data", type=Path, default=mnist_directory(), help="where MNIST lies or is downloaded to")
    parser.add_argument("--model-path", type=Path, default=Path("models/default"), help="folder for what is trained")
    parser.add_argument("--plots", type=Path, default=Path("plots/default"), help="folder for plots and test report")
    parser.add_argument("--no-cuda", action="store_true", help="train on the CPU even where there is a GPU")
    args = parser.parse_args()
    args.plots.mkdir(parents=True, exist_ok=True)
    args.model_path.mkdir(parents=True, exist_ok=True)
    return Config(**{setting.name: getattr(args, setting.name) for setting in settable}), args


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


def gather(directory: Path, config: Config) -> tuple[Digits, Digits]:
    """(training, validation): MNIST and drawings made here, the same shares of them in both."""
    train, validation = split(load_mnist(directory, train=True), config.held_out)
    share = len(validation) / len(train)
    log.info("drawing %d digits and %d other things", config.strokes, config.others)
    for make, count in ((make_digits, config.strokes), (make_others, config.others)):
        if count:
            train += make(count, seed=2 * config.seed)
            validation += make(int(count * share), seed=2 * config.seed + 1)
    return train, validation


def calibrate(model: torch.nn.Module, validation: Digits, config: Config) -> export.Calibration:
    """Temperature and threshold from augmented validation pictures: sketches are more varied than MNIST."""
    generator = torch.Generator().manual_seed(config.seed)
    logits = predict(model, augment(as_input(validation.images), config.augmentation, generator))
    is_digit = validation.labels != NO_DIGIT
    temperature = fit_temperature(logits[is_digit].numpy(), validation.labels[is_digit].numpy())
    confidence, answers = F.softmax(logits / temperature, 1).max(1)
    threshold = confidence[answers == validation.labels].quantile(config.unsure_share).item()
    wrong = is_digit & (answers != validation.labels)
    log.info("temperature %.3f; unsure below %.3f: %.1f%% of wrong answers, %.1f%% of other drawings", temperature,
             threshold, *(100 * _share_below(threshold, confidence[some]) for some in (wrong, ~is_digit)))  # fmt: skip
    return export.Calibration(temperature, threshold)


def _share_below(threshold: float, confidence: torch.Tensor) -> float:
    return (confidence < threshold).float().mean().item()


def evaluate(model: torch.nn.Module, digits: Digits, temperature: float) -> dict:
    probabilities = F.softmax(predict(model, digits.images) / temperature, 1).numpy()
    return report(digits.labels.numpy(), probabilities)


if __name__ == "__main__":
    main()
