"""Learns from what people drew: approved sketches → candidate → gate → database.

    uv run python retrain.py                   # a candidate, judged and stored; the serving model stays
    uv run python retrain.py --promote         # and it serves within seconds, if the gate passed it
    uv run python retrain.py --all-labelled    # also from sketches that nobody reviewed, never from rejected ones

A fifth of the visits and their sketches is held out permanently (app/held_out.py): the gate compares candidate and
champion on it, on the pictures of MNIST that both held out, and on synthetic digits. A candidate that cannot be told
apart becomes the challenger, if there is none. Starts from the champion's weights, on a GPU if there is one. Ctrl-C
leaves nothing half done in the database; the same command continues after the last finished epoch.
Ends with 0 whatever the verdict: it is stored with the candidate, and the Models page shows it.
"""

import argparse
import asyncio
import io
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
import torch
import torch.nn.functional as F
from tqdm.contrib.logging import logging_redirect_tqdm

from app import promotion, store
from app.card import Card, Verdict
from app.config import get_settings
from app.errors import ModelRefused
from app.held_out import HeldOut
from app.recognizer import Recognizer
from app.schemas.submissions import Status
from training import cli, export, sketches, strokes
from training.architectures import ARCHITECTURES
from training.calibration import calibrate
from training.config import Config, add_options, as_yaml, from_options
from training.data import NOTHING, Digits, as_input, load_mnist, mnist_directory, split
from training.device import pick_device
from training.distillation import DAMAGED
from training.evaluation import report
from training.export import Calibration, Exported
from training.gate import Pair, judge
from training.loop import Epoch, fit, predict
from training.progress import Progress
from training.sketches import Sketches, repeat

log = logging.getLogger("train")

# Gentler than train.py: the champion knows most of it. What it learned from is replayed, so that it does not forget.
CONFIG = Config(
    epochs=6,
    learning_rate=1e-3,
    muon_learning_rate=0.0,  # AdamW: few steps from weights that are good
    ema_decay=0.998,  # over the last two epochs or three
    synthetic_digits=15_000,
    writer_digits=15_000,
    non_digits=5_000,
    drawn_per_epoch=36_000,  # of MNIST, digits and other drawings together; half as many as sketches, if more
)
# Of the way from the champion's weights to those that were learned: most of what is gained, and less than half of what
# would be forgotten (Wortsman and others 2022, "Robust fine-tuning of zero-shot models")
LEARNED = 0.75
REPEATS = 4  # of each sketch in an epoch, while they are few
JUDGE_SEED = 982_451_653  # of the synthetic digits that candidates are judged on: no run's own


@dataclass(frozen=True)
class Champion:
    """The serving model: what a candidate starts from and is compared with."""

    model: Recognizer
    weights: bytes
    held_out: HeldOut


class Data(NamedTuple):
    people: Sketches
    mnist: Digits
    mnist_held_out: Digits
    replay: Digits  # by training/strokes.py: synthetic digits, other drawings, and digits after real writers
    validation: Digits  # the same, of what is held out
    writer_digits: int  # how many of `replay` are after real writers


class Learned(NamedTuple):
    model: torch.nn.Module
    exported: Exported  # the same network, as it will serve
    calibration: Calibration
    epoch: int  # the one that was kept


class Comparison(NamedTuple):
    """What the gate says, and what both read in the sketches that it compared them on: a race continues from there."""

    verdict: Verdict
    readings: list[store.races.NewReading]


def main() -> None:
    config, args = parse_arguments()
    cli.start_logging(log, args.model_path / "retrain.log")
    device = pick_device(args.no_cuda)
    progress = Progress(args.progress)
    progress.tell(stage="reading sketches")
    champion, people = asyncio.run(read_database(args.all_labelled, args.only))
    log.info("champion %s; sketches: %s; training on %s", champion.model.version, people.counts, device)
    if not len(people.train):
        raise cli.Unusable("There is no sketch to learn from. Approve some in the Gallery, or use --all-labelled.")

    progress.tell(stage="learning", epochs=config.epochs)
    data = gather(people, config, args.data)
    learned = learn(
        champion,
        data,
        config,
        device,
        args.model_path / "checkpoint.pt",
        lambda epoch: progress.tell(epoch=asdict(epoch)),
    )
    progress.tell(stage="judging")
    card = describe(champion, data, config, learned, load_mnist(args.data, train=False))
    architecture = champion.model.card.architecture
    onnx = export.write(learned.model, learned.exported, args.model_path, architecture, learned.calibration, **card)

    candidate = Recognizer.load(onnx)
    drawn = strokes.make_digits(args.judged_on, JUDGE_SEED)
    opponent: Champion | None = champion
    while opponent:  # another may have been promoted meanwhile: what holds against one says nothing of the other
        found = compare(candidate, opponent, people, data.mnist_held_out, drawn)
        log.info(
            "the gate, against %s: %s\n  %s",
            opponent.model.version,
            found.verdict.outcome,
            "\n  ".join(found.verdict.reasons),
        )
        opponent = asyncio.run(publish(args.model_path, candidate, found, opponent, args.promote))
    progress.tell(model=candidate.version)
    (args.model_path / "checkpoint.pt").unlink()


def parse_arguments() -> tuple[Config, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, CONFIG)
    parser.add_argument("--all-labelled", action="store_true", help="also sketches that nobody has reviewed yet")
    parser.add_argument("--only", type=read_ids, metavar="FILE", help="of them those whose ids it lists, one a line")
    parser.add_argument("--progress", action="store_true", help="JSON lines on standard output, for trainer.py")
    parser.add_argument("--promote", action="store_true", help="let it serve, if the gate passes it")
    parser.add_argument(
        "--judged-on", type=cli.whole(1), default=5000, help="synthetic digits that candidate and champion read"
    )
    parser.add_argument("--data", type=Path, default=mnist_directory(), help="where MNIST is, or is downloaded to")
    parser.add_argument("--model-path", type=Path, default=Path("models/candidate"), help="folder for what is trained")
    config, args = from_options(parser, CONFIG)
    if config.lessons or config.start:
        parser.error("lessons are for train.py, as is --start: here people's labels teach the serving model")
    cli.make_folder(args.model_path)
    (args.model_path / "config.yaml").write_text(as_yaml(config))
    return config, args


def read_ids(file: str) -> frozenset[UUID]:
    return frozenset(map(UUID, cli.existing(file).read_text().split()))


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


async def read_database(all_labelled: bool, only: Collection[UUID] | None = None) -> tuple[Champion, Sketches]:
    """Raises Unusable where the database cannot be used or no weights are known, or ModelFileError."""
    statuses: list[Status] = ["approved", "pending"] if all_labelled else ["approved"]
    async with connect() as connection:
        return await read_champion(connection), await sketches.load(connection, statuses, only)


async def read_champion(connection: psycopg.AsyncConnection) -> Champion:
    """The serving model. Raises Unusable where its weights are not known, or ModelFileError."""
    newest = await store.promotions.find_newest(connection)
    return await _promoted(connection, newest.model) if newest else _shipped()


async def _promoted(connection: psycopg.AsyncConnection, version: str) -> Champion:
    try:
        stored = await store.models.find(connection, version)
        weights = await store.models.find_weights(connection, version)
        if stored is None or weights is None:
            raise cli.Unusable(f"The weights of {version} are not in the database: there is nothing to start from.")
        return Champion(promotion.load(stored), weights, await known_held_out(connection, stored.card))
    except ModelRefused as e:
        raise cli.Unusable(f"The serving model, {version}, cannot be used: {e}") from e


def _shipped() -> Champion:
    path = get_settings().model_file
    weights = path.with_name("model.pt")
    if not weights.exists():
        raise cli.Unusable(f"{weights} is not there: there is nothing to start from.")
    model = Recognizer.load(path)
    return Champion(model, weights.read_bytes(), model.card.held_out)


async def known_held_out(connection: psycopg.AsyncConnection, card: Card) -> HeldOut:
    """A card of format 0 speaks of its own training alone; what its parent learned from, it has learned from, too."""
    if card.format or card.parent is None:
        return card.held_out
    parent = await store.models.find(connection, card.parent)
    before = (await known_held_out(connection, parent.card)).mnist if parent else None
    return card.held_out.model_copy(update={"mnist": _fewest(card.held_out.mnist, before)})


def _fewest(*held_out: int | None) -> int | None:
    """Of MNIST's pictures, which all hold out in the same order; None where one does not say how many."""
    return None if None in held_out else min(held_out)


def gather(people: Sketches, config: Config, mnist: Path) -> Data:
    train, held_out = split(load_mnist(mnist, train=True), config.held_out)
    replay, validation = strokes.make_drawn(config.synthetic_digits, config.non_digits, config.seed, share=0.1)
    real, held_out_real = strokes.gather_real(config.writer_digits, config.seed)
    return Data(people, train, held_out, replay + real, validation + held_out_real, len(real))


def learn(
    champion: Champion,
    data: Data,
    config: Config,
    device: torch.device,
    checkpoint: Path,
    after_epoch: Callable[[Epoch], None],
) -> Learned:
    """From the champion's weights. Raises Unusable if they are damaged."""
    torch.manual_seed(config.seed)
    people = data.people
    model = ARCHITECTURES[champion.model.card.architecture]().to(memory_format=torch.channels_last)
    try:
        model.load_state_dict(torch.load(io.BytesIO(champion.weights), map_location="cpu", weights_only=True))
    except DAMAGED as e:
        raise cli.Unusable(f"The weights of {champion.model.version} are damaged, or not its own.") from e
    start = {name: value.clone() for name, value in model.state_dict().items()}
    # as many of what was known as of what is new, or more, however many people drew
    per_epoch = max(config.drawn_per_epoch, len(people.train) // 2)
    times = max(1, min(REPEATS, per_epoch // (2 * len(people.train))))
    # the gate's pictures do not even choose the epoch
    choosing = data.validation + repeat(people.validation, times)
    with logging_redirect_tqdm():
        history = fit(
            model.to(device),
            repeat(people.train, times).to(device),
            (data.mnist + data.replay).to(device),
            choosing.to(device),
            replace(config, drawn_per_epoch=per_epoch),
            checkpoint,
            after_epoch=after_epoch,
            began_as=champion.model.version,
        )
    interpolate_weights(model.to("cpu"), start)
    exported = export.quantized(model, people.train + data.mnist + data.replay)
    held_out = unlearned(data.mnist_held_out, champion.held_out) + data.validation + people.validation
    calibration = calibrate(exported, held_out, config)
    return Learned(model, exported, calibration, min(history, key=lambda e: e.validation_loss).epoch)


def interpolate_weights(model: torch.nn.Module, start: dict[str, torch.Tensor]) -> None:
    """Leaves in `model` the mean of its weights and of those in `start`, with LEARNED as the weight of its own."""
    learned = model.state_dict()
    model.load_state_dict(
        {
            name: torch.lerp(start[name], value, LEARNED) if value.is_floating_point() else value
            for name, value in learned.items()
        }
    )


def describe(champion: Champion, data: Data, config: Config, learned: Learned, test: Digits) -> dict[str, Any]:
    """The candidate's card, but for what export.write adds."""
    before, people = champion.held_out, data.people
    figures = report(test.labels.numpy(), F.softmax(predict(learned.exported, test.images), 1).numpy())
    return {
        "created_at": datetime.now(UTC).replace(microsecond=0),
        "parent": champion.model.version,
        "held_out": HeldOut(
            mnist=_fewest(config.held_out, before.mnist),
            until_by_id=before.until_by_id,
            until_by_visit=max(filter(None, (people.newest, before.until_by_visit)), default=None),
        ),
        "data": f"{len(people.train)} sketches that people drew and labelled, mixed with MNIST's training set less "
        f"{config.held_out} held out for validation, {strokes.describe(config, data.writer_digits)}",
        "sketches": people.counts,
        "hyperparameters": asdict(config) | {"architecture": champion.model.card.architecture},
        "metrics": {
            "epoch": learned.epoch,
            "mnist_test": {name: figures[name] for name in ("accuracy", "precision", "recall", "f1")},
        },
    }


def compare(candidate: Recognizer, champion: Champion, people: Sketches, mnist: Digits, drawn: Digits) -> Comparison:
    """What the gate says, on pictures that neither learned from. `mnist`: those that the candidate's run held out."""
    ids, held_out = people.new_to(candidate.card.held_out, champion.held_out)
    sets = held_out, unlearned(mnist, candidate.card.held_out, champion.held_out), drawn
    predictions = [[_predict(model, digits) for model in (candidate, champion.model)] for digits in sets]
    pairs = [
        Pair(*(each == digits.labels.numpy() for each in both)) for both, digits in zip(predictions, sets, strict=True)
    ]
    read = zip(ids, *(each.tolist() for each in predictions[0]), strict=True)
    readings = [store.races.NewReading(*each, counts=True) for each in read]
    return Comparison(judge(*pairs, champion=champion.model.version), readings)


def unlearned(mnist: Digits, *models: HeldOut) -> Digits:
    """Of the first pictures of MNIST's order those that all of the models held out."""
    known = _fewest(*(model.mnist for model in models))
    return NOTHING if known is None else mnist.take(torch.arange(min(known, len(mnist))))


def _predict(model: Recognizer, digits: Digits) -> np.ndarray:
    """(n,) what it reads, as it would serve."""
    parts = [as_input(part).squeeze(1).numpy() for part in digits.images.split(1000) if len(part)]
    return np.concatenate([np.zeros(0, int), *(model.logits(part).argmax(1) for part in parts)])


async def publish(
    folder: Path, candidate: Recognizer, found: Comparison, opponent: Champion, promote: bool
) -> Champion | None:
    """Candidate and verdict into the database, all or nothing; on request it is promoted, if it passed.

    Where another model serves by now, nothing is stored, and that model is returned: the verdict is void.
    """
    verdict = found.verdict
    new = store.models.NewModel(
        version=candidate.version,
        onnx=(folder / "model.onnx").read_bytes(),
        weights=(folder / "model.pt").read_bytes(),
        sha256=bytes.fromhex(candidate.card.sha256),
        card=candidate.card,
        verdict=verdict,
    )
    shipped = Recognizer.load(get_settings().model_file).version
    async with connect() as connection:
        await store.promotions.lock(connection)
        newest = await store.promotions.find_newest(connection)
        if (newest.model if newest else shipped) != opponent.model.version:
            log.info("the verdict is void: %s serves by now", newest.model if newest else shipped)
            return await read_champion(connection)
        is_new = await store.models.insert(connection, new)
        if not is_new:  # the same network as before, compared on more sketches by now
            await renew_verdict(connection, candidate.version, verdict)
        if promote and verdict.passed:
            await promotion.promote(connection, candidate.version, shipped, "retrain.py --promote")
            done = "stored and promoted"
        elif is_new and verdict.outcome == "undecided" and await race(connection, found, candidate):
            done = (
                "stored; it does not serve, and is the challenger now: it reads what people draw alongside the champion"
            )
        else:
            done = "stored; it does not serve"
    log.info("%s is %s", candidate.version, done)
    return None


async def renew_verdict(connection: psycopg.AsyncConnection, version: str, verdict: Verdict) -> None:
    """Stores a newer verdict, unless the model has passed against the same champion before, as by a race."""
    known = await store.models.find(connection, version)
    before = known.verdict if known else None
    if verdict.passed or not (before and before.passed and before.champion == verdict.champion):
        await store.models.set_verdict(connection, version, verdict)


async def race(connection: psycopg.AsyncConnection, found: Comparison, candidate: Recognizer) -> bool:
    """Whether it is the challenger now; not where there is one. The gate's sketches are its first ones."""
    started = await store.races.start(connection, candidate.version, found.verdict.champion)
    if started is None:
        return False
    await store.races.insert_readings(connection, started, found.readings)
    return True


if __name__ == "__main__":
    cli.run(main, stopped="Stopped. The same command continues after the last finished epoch.")
