"""A report on any model: how often it is right, how sure it is, and what it gets wrong.

    uv run python evaluate.py                                            # the model that ships, MNIST's test set
    uv run python evaluate.py --data my-digits/                          # pictures in folders named 0 to 9
    uv run python evaluate.py --data pendigits-orig-tra.txt              # pen strokes, UNIPEN (UCI's pendigits, UJI)
    uv run python evaluate.py --model-path models/try --test-samples 8   # another model; 8 random predictions

Prints the figures and writes them to --output: report.json, evaluate.log, confusion.png, calibration.png,
mistakes.png (the surest wrong answers first) and samples.png.
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np

from app.recognizer import Recognizer
from training import plots, samples
from training.data import Digits, mnist_directory
from training.evaluation import as_text, report

log = logging.getLogger("evaluate")
BATCH = 1000


def main() -> None:
    args = parse_arguments()
    logging.basicConfig(
        level=logging.INFO,
        format="%(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(args.output / "evaluate.log", "w")],
    )
    model = Recognizer.load(args.model_path / "model.onnx")
    digits = gather(args.data)
    images = digits.images.numpy().astype(np.float32) / 255
    labels = digits.labels.numpy()
    log.info("%s on %d pictures from %s", model.version, len(labels), args.data or "MNIST's test set")

    parts = [model.probabilities(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    probabilities = np.concatenate(parts)
    figures = report(labels, probabilities) | {"model": model.version, "data": str(args.data or "MNIST test")}
    unsure, right = probabilities.max(1) < model.unsure_below, probabilities.argmax(1) == labels
    figures["right_but_unsure"] = float(unsure[right].mean()) if right.any() else None
    figures["wrong_and_unsure"] = float(unsure[~right].mean()) if (~right).any() else None
    log.info("%s", as_text(figures))
    log.info("unsure of %d right and of %d wrong answers", (unsure & right).sum(), (unsure & ~right).sum())

    (args.output / "report.json").write_text(json.dumps(figures, indent=2) + "\n")
    plots.confusion_matrix(np.array(figures["confusion_matrix"]), args.output / "confusion.png")
    plots.calibration(probabilities, labels, args.output / "calibration.png")
    surest_mistakes = np.flatnonzero(~right)[np.argsort(-probabilities.max(1)[~right])][: args.mistakes]
    plots.predictions(images, probabilities, labels, surest_mistakes, args.output / "mistakes.png")
    chosen = np.random.default_rng(args.seed).permutation(len(labels))[: args.test_samples]
    plots.predictions(images, probabilities, labels, chosen, args.output / "samples.png")
    log.info("wrote the report and its plots to %s", args.output)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", type=Path, default=Path("models/default"), help="folder of model and card")
    parser.add_argument("--data", type=Path, help="a folder of pictures or a UNIPEN file; without it MNIST's test set")
    parser.add_argument("--output", type=Path, default=Path("plots/evaluation"), help="folder for the report")
    parser.add_argument("--test-samples", type=int, default=8, help="random predictions to show")
    parser.add_argument("--mistakes", type=int, default=32, help="mistakes to show")
    parser.add_argument("--seed", type=int, default=0, help="which random predictions")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    return args


def gather(data: Path | None) -> Digits:
    if data is None:
        return samples.from_mnist(mnist_directory())
    return samples.from_folder(data) if data.is_dir() else samples.from_unipen(data)


if __name__ == "__main__":
    main()
