"""Learns from what people drew: approved sketches → candidate → gate → database.

    uv run python retrain.py                   # a candidate, judged and stored; what serves stays
    uv run python retrain.py --promote         # and it serves within seconds, if the gate passed it
    uv run python retrain.py --all-labelled    # also from sketches that nobody reviewed; rejected ones never

A fifth of the sketches, by a hash of their ids, is held out for ever: the gate compares candidate and champion on it,
on MNIST's validation split and on drawn digits. Starts from the champion's weights. Ctrl-C leaves nothing half done in
the database; the same command goes on after the last finished epoch.
Ends with 0 whatever the verdict: it is stored with the candidate, and the Models page shows it.
"""

import argparse
import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import torch
import torch.nn.functional as F
from tqdm.contrib.logging import logging_redirect_tqdm

from app import promotion, store
from app.config import get_settings
from app.errors import ModelRefused
from app.recognizer import Recognizer
from app.schemas import Status
from training import cli, export, sketches
from training.architectures import ARCHITECTURES
from training.calibration import calibrate
from training.config import Config, add_options, as_yaml, from_options
from training.data import Digits, as_input, load_mnist, mnist_directory, split
from training.distillation import DAMAGED
from training.evaluation import report
from training.gate import Pair, Verdict, judge
from training.loop import fit, predict
from training.sketches import Sketches, repeat
from training.strokes import make_digits, make_drawn

log = logging.getLogger("train")

# Gentler than train.py: the champion knows most of it. What it read so far is replayed, lest it be forgotten.
CONFIG = Config(
    epochs=6,
    learning_rate=1e-3,
    muon_rate=0,  # AdamW: few steps from weights that are good
    averaging=0.995,
    strokes=20_000,
    others=5_000,
    drawn_per_epoch=24_000,  # of MNIST, drawn digits and other drawings together; half as many as sketches, if more
)
REPEATS = 4  # of each sketch in an epoch, while they are few
JUDGE_SEED = 982_451_653  # of the drawn digits that candidates are judged on: no run's own


@dataclass(frozen=True)
class Champion:
    """The model that serves: what a candidate starts from and is compared with."""

    model: Recognizer
    weights: bytes


def main() -> None:
    config, args = parse_arguments()
    handlers = [logging.StreamHandler(), logging.FileHandler(args.model_path / "retrain.log")]
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", handlers=handlers)
    log.setLevel(logging.INFO)
    champion, drawn_by_people = asyncio.run(read_database(args.all_labelled))
    log.info("champion %s; sketches: %s", champion.model.version, drawn_by_people.counts)
    if not len(drawn_by_people.train):
        raise cli.Unusable("There is no sketch to learn from. Approve some in the Gallery, or use --all-labelled.")

    mnist, mnist_held_out = split(load_mnist(args.data, train=True), config.held_out)
    replay, validation = make_drawn(config.strokes, config.others, config.seed, share=0.1)
    model, calibration, epoch = learn(champion, drawn_by_people, mnist, replay, validation, mnist_held_out, config,
                                      args.model_path / "checkpoint.pt")  # fmt: skip
    card = describe(champion, drawn_by_people, config, epoch, model, load_mnist(args.data, train=False))
    onnx = export.write(model, args.model_path, card["architecture"], calibration, card)
    export.check_parity(model, onnx, mnist_held_out.images)

    candidate = Recognizer.load(onnx)
    drawn = make_digits(args.judged_on, JUDGE_SEED)
    verdict = judge(
        *(compare(candidate, champion.model, on) for on in (drawn_by_people.held_out, mnist_held_out, drawn))
    )
    log.info("the gate: %s\n  %s", "passed" if verdict.passed else "refused", "\n  ".join(verdict.reasons))
    asyncio.run(publish(args.model_path, candidate, verdict, args.promote))
    (args.model_path / "checkpoint.pt").unlink()


def parse_arguments() -> tuple[Config, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, CONFIG)
    parser.add_argument("--all-labelled", action="store_true", help="also sketches that nobody has reviewed yet")
    parser.add_argument("--promote", action="store_true", help="let it serve, if the gate passes it")
    parser.add_argument(
        "--judged-on", type=cli.whole(1), default=5000, help="drawn digits that candidate and champion read"
    )
    parser.add_argument("--data", type=Path, default=mnist_directory(), help="where MNIST lies or is downloaded to")
    parser.add_argument("--model-path", type=Path, default=Path("models/candidate"), help="folder for what is trained")
    config, args = from_options(parser, CONFIG)
    if config.lessons:
        parser.error("lessons are for train.py: here people's labels teach")
    cli.make_folder(args.model_path)
    (args.model_path / "config.yaml").write_text(as_yaml(config))
    return config, args


@asynccontextmanager
async def connect() -> AsyncIterator[psycopg.AsyncConnection]:
    """To the database. Raises Unusable, with the reason, where that or what is done with it fails."""
    try:
        async with await psycopg.AsyncConnection.connect(get_settings().conninfo, connect_timeout=10) as connection:
            yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as e:
        raise cli.Unusable("The database is not set up for this version: ./up.sh brings it up to date.") from e
    except psycopg.Error as e:
        raise cli.Unusable(f"The database cannot be used: {cli.one_line(e)}") from e


async def read_database(all_labelled: bool) -> tuple[Champion, Sketches]:
    """Raises Unusable where the database cannot be used or no weights are known, or ModelFileError."""
    statuses: list[Status] = ["approved", "pending"] if all_labelled else ["approved"]
    async with connect() as connection:
        newest = await store.find_newest_promotion(connection)
        champion = await _promoted(connection, newest.model) if newest else _shipped()
        return champion, await sketches.load(connection, statuses)


async def _promoted(connection: psycopg.AsyncConnection, version: str) -> Champion:
    stored, weights = await store.find_model(connection, version), await store.find_weights(connection, version)
    if stored is None or weights is None:
        raise cli.Unusable(f"The weights of {version} are not in the database: there is nothing to start from.")
    try:
        return Champion(promotion.revive(stored), weights)
    except ModelRefused as e:
        raise cli.Unusable(f"The model that serves, {version}, cannot be used: {e}") from e


def _shipped() -> Champion:
    path = get_settings().model_file
    weights = path.with_name("model.pt")
    if not weights.exists():
        raise cli.Unusable(f"{weights} is not there: there is nothing to start from.")
    return Champion(Recognizer.load(path), weights.read_bytes())


def learn(champion: Champion, people: Sketches, mnist: Digits, replay: Digits, validation: Digits,
          mnist_held_out: Digits, config: Config, checkpoint: Path):  # fmt: skip
    """(network, its calibration, the epoch that was kept)."""
    torch.manual_seed(config.seed)
    model = ARCHITECTURES[champion.model.card["architecture"]]().to(memory_format=torch.channels_last)
    try:
        model.load_state_dict(torch.load(io.BytesIO(champion.weights), map_location="cpu", weights_only=True))
    except DAMAGED as e:
        raise cli.Unusable(f"The weights of {champion.model.version} are damaged, or not its own.") from e
    # as many of what was known as of what is new, or more, however many people drew
    per_epoch = max(config.drawn_per_epoch, len(people.train) // 2)
    times = max(1, min(REPEATS, per_epoch // (2 * len(people.train))))
    # the gate's pictures do not even choose the epoch
    choosing = validation + repeat(people.validation, times)
    with logging_redirect_tqdm():
        history = fit(model, repeat(people.train, times), mnist + replay, choosing,
                      replace(config, drawn_per_epoch=per_epoch), checkpoint)  # fmt: skip
    calibration = calibrate(model, mnist_held_out + validation + people.validation, config)
    return model, calibration, min(history, key=lambda e: e.validation_loss).epoch


def describe(champion: Champion, people: Sketches, config: Config, epoch: int, model: torch.nn.Module,
             test: Digits) -> dict:  # fmt: skip
    """The candidate's card, but for what export.write adds."""
    figures = report(test.labels.numpy(), F.softmax(predict(model, test.images), 1).numpy())
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "architecture": champion.model.card["architecture"],
        "parent": champion.model.version,
        "data": f"{len(people.train)} sketches that people drew and labelled, mixed with MNIST's training set less "
        f"{config.held_out}, {config.strokes} digits and {config.others} other drawings made by training/strokes.py",
        "sketches": people.counts,
        "hyperparameters": asdict(config),
        "weights": sum(p.numel() for p in model.parameters()),
        "metrics": {"epoch": epoch, "mnist_test": {k: figures[k] for k in ("accuracy", "precision", "recall", "f1")}},
    }


def compare(candidate: Recognizer, champion: Recognizer, digits: Digits) -> Pair:
    """What the two, as they would serve, read right of the same pictures."""
    images, labels = as_input(digits.images).squeeze(1).numpy(), digits.labels.numpy()
    return Pair(*(_right(model, images, labels) for model in (candidate, champion)))


def _right(model: Recognizer, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    parts = [model.logits(part).argmax(1) for part in np.array_split(images, len(images) // 1000 + 1) if len(part)]
    return np.concatenate(parts) == labels if parts else np.zeros(0, bool)


async def publish(folder: Path, candidate: Recognizer, verdict: Verdict, promote: bool) -> None:
    """Candidate and verdict into the database, all or nothing; on request it is promoted, if it passed."""
    card = json.loads((folder / "card.json").read_text())
    new = store.NewModel(candidate.version, (folder / "model.onnx").read_bytes(), (folder / "model.pt").read_bytes(),
                         bytes.fromhex(card["sha256"]), card, verdict.as_dict())  # fmt: skip
    async with connect() as connection:
        await store.insert_model(connection, new)
        if promote and verdict.passed:
            shipped = Recognizer.load(get_settings().model_file).version
            await promotion.promote(connection, candidate.version, shipped, "retrain.py --promote")
    done = "stored and promoted" if promote and verdict.passed else "stored; it does not serve"
    log.info("%s is %s", candidate.version, done)


if __name__ == "__main__":
    cli.run(main, stopped="Stopped. The same command goes on after the last finished epoch.")
