"""A report on any model: how often it is right, how sure it is, and what it gets wrong.

    uv run python evaluate.py                                            # the model that ships, MNIST's test set
    uv run python evaluate.py --data my-digits/                          # pictures in folders named 0 to 9
    uv run python evaluate.py --data pendigits-orig-tra.txt              # pen strokes, UNIPEN, here or in STROKES_DIR
    uv run python evaluate.py --data data/uji/UJIpenchars-w0* --letters  # and whether it is unsure of letters
    uv run python evaluate.py --writers                                  # the writers held out of training, one by one
    uv run python evaluate.py --model-path models/try --test-samples 8   # another model; 8 random predictions
    uv run python evaluate.py --model-path models/a models/b models/c    # mean and standard deviation over the three

Prints the figures and writes them to --output: report.json, evaluate.log, confusion.png, calibration.png,
mistakes.png (the surest wrong answers first) and samples.png. With --record NAME they go into the model's card, too.
"""

import argparse
import json
import logging
import operator
import statistics
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from app.card import Card
from app.recognizer import Recognizer
from training import cli, plots, samples
from training.data import NO_DIGIT, Digits, mnist_directory
from training.evaluation import as_text, report
from training.unipen import PENS, Sample
from training.writers import existing_or_known, find_strokes, split_writers, strokes_directory

log = logging.getLogger("evaluate")
BATCH = 1000
RECORDED = (
    "pictures",
    "accuracy",
    "calibration_error",
    "right_but_unsure",
    "wrong_and_unsure",
    "letters",
    "letters_unsure",
)


def main() -> None:
    args = parse_arguments()
    cli.start_logging(log, args.output / "evaluate.log", mode="w", timed=False)
    models = [Recognizer.load(path / "model.onnx") for path in args.model_path]
    writers = held_out_writers() if args.writers else []
    digits = samples.from_samples(writers) if writers else gather(args.data, args.letters)
    name = "writers held out of training" if writers else " ".join(p.name for p in args.data) or "MNIST's test set"
    images, labels = digits.images.numpy().astype(np.float32) / 255, digits.labels.numpy()
    log.info("%s on %d pictures from %s", models[0].version, len(labels), name)

    figures, probabilities = measure(models[0], images, labels)
    log.info("%s", as_text(figures))
    log.info(
        "unsure of %s of the right answers, %s of the wrong ones",
        _percent(figures["right_but_unsure"]),
        _percent(figures["wrong_and_unsure"]),
    )
    if writers:
        log.info("%s", by_writer(writers, probabilities.argmax(1) == labels))
    if "letters" in figures:
        log.info("unsure of %s of %d drawings of letters", _percent(figures["letters_unsure"]), figures["letters"])
    recorded = {key: figures[key] for key in RECORDED if key in figures} | {"data": name}
    if len(models) > 1:
        shares = [figures["accuracy"]] + [measure(model, images, labels)[0]["accuracy"] for model in models[1:]]
        recorded |= {"accuracies": shares, "mean": statistics.fmean(shares), "std": statistics.stdev(shares)}
        log.info(
            "accuracy %s: mean %.2f%% ± %.2f (standard deviation, n=%d)",
            ", ".join(map(_percent, shares)),
            100 * recorded["mean"],
            100 * recorded["std"],
            len(shares),
        )
    if args.record:
        record(args.model_path[0] / "card.json", args.record, recorded)

    (args.output / "report.json").write_text(
        json.dumps(figures | recorded | {"model": models[0].version}, indent=2) + "\n"
    )
    draw(images[labels != NO_DIGIT], probabilities[labels != NO_DIGIT], labels[labels != NO_DIGIT], args)
    log.info("wrote the report and its plots to %s", args.output)


def measure(model: Recognizer, images: np.ndarray, labels: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """(figures, (n, 10) probabilities) from (n, 28, 28) pictures and (n,) labels, of which some may be NO_DIGIT."""
    parts = [model.probabilities(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    probabilities = np.concatenate(parts)
    is_digit = labels != NO_DIGIT
    unsure, right = probabilities.max(1) < model.unsure_below, probabilities.argmax(1) == labels
    figures = report(labels[is_digit], probabilities[is_digit])
    figures["right_but_unsure"] = _share(unsure[right])
    figures["wrong_and_unsure"] = _share(unsure[is_digit & ~right])
    if not is_digit.all():
        figures |= {"letters": int((~is_digit).sum()), "letters_unsure": _share(unsure[~is_digit])}
    return figures, probabilities


def held_out_writers() -> list[Sample]:
    """What the writers wrote whom training never learns from. Raises Unusable where there are no strokes."""
    return split_writers(find_strokes(strokes_directory()))[1]


def by_writer(written: list[Sample], right: np.ndarray) -> str:
    """A table of how much of each writer is read correctly, the worst first. `right`: (3n,) bool, by pens."""
    writers = np.repeat([sample.writer for sample in written], len(PENS))
    shares = sorted((right[writers == writer].mean(), writer, (writers == writer).sum()) for writer in set(writers))
    return "\n".join(f"{writer:>14} {count:>5} pictures {100 * share:6.2f}% right" for share, writer, count in shares)


def record(card: Path, name: str, figures: dict[str, Any]) -> None:
    before = Card.read(card)
    before.model_copy(update={"metrics": before.metrics | {name: figures}}).write(card)
    log.info("the card says so, under %s", name)


def draw(images: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, args: argparse.Namespace) -> None:
    right = probabilities.argmax(1) == labels
    matrix = report(labels, probabilities)["confusion_matrix"]
    plots.confusion_matrix(np.array(matrix), args.output / "confusion.png")
    plots.calibration(probabilities, labels, args.output / "calibration.png")
    surest_mistakes = np.flatnonzero(~right)[np.argsort(-probabilities.max(1)[~right])][: args.mistakes]
    plots.predictions(images, probabilities, labels, surest_mistakes, args.output / "mistakes.png")
    chosen = np.random.default_rng(args.seed).permutation(len(labels))[: args.test_samples]
    plots.predictions(images, probabilities, labels, chosen, args.output / "samples.png")


def _share(of: np.ndarray) -> float | None:
    return float(of.mean()) if of.size else None


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.2f}%"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model-path",
        type=cli.existing,
        nargs="+",
        default=[Path("models/default")],
        help="folder of model and card; of several, the first is reported on in full",
    )
    parser.add_argument(
        "--data",
        type=existing_or_known,
        nargs="+",
        default=[],
        help="folders of pictures, or UNIPEN files, here or in STROKES_DIR; without them MNIST's test set",
    )
    parser.add_argument(
        "--writers", action="store_true", help="instead the writers that training holds out, in STROKES_DIR"
    )
    parser.add_argument("--letters", action="store_true", help="of UNIPEN files also the letters unlike any digit")
    parser.add_argument("--record", metavar="NAME", help="also write the figures into the card, under this name")
    parser.add_argument("--output", type=Path, default=Path("plots/evaluation"), help="folder for the report")
    parser.add_argument("--test-samples", type=cli.whole(0), default=8, help="random predictions to show")
    parser.add_argument("--mistakes", type=cli.whole(0), default=32, help="mistakes to show")
    parser.add_argument("--seed", type=cli.seed, default=0, help="which random predictions")
    args = parser.parse_args()
    cli.make_folder(args.output)
    return args


def gather(data: list[Path], letters: bool) -> Digits:
    if not data:
        return samples.from_mnist(mnist_directory())
    parts = [samples.from_folder(d) if d.is_dir() else samples.from_unipen(d, letters=letters) for d in data]
    digits = reduce(operator.add, parts)
    if (digits.labels == NO_DIGIT).all():
        raise cli.Unusable("There are only letters, and no digits to report on")
    return digits


if __name__ == "__main__":
    cli.run(main)
