"""Photos of digits on paper, as people take them, made by a program: how many are read correctly?

    uv run python -m training.photos                             # the 190 photos on which imaging.py was developed
    uv run python -m training.photos --unseen                    # 190 others, not looked at before they counted
    uv run python -m training.photos --write plots/photos        # also writes them, and what the model saw of them

Ten photos, one of each digit, for each of 19 kinds; always the same ones. Prints how many are right, unsure, and wrong
without being unsure; ends with status 1 where fewer than 90% are right or more than 3% are wrong without being unsure.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from app import imaging
from app.errors import AppError
from app.recognizer import Recognizer
from training import camera, cli
from training.scene import Ink, Plane, lay_sheet, lay_table, put_ink, put_things, write_digit

DEVELOPMENT, UNSEEN = 14, 41  # seeds
LARGEST = 1200  # pixels of what is drawn; a larger photo is that, enlarged
RIGHT, WRONG = 0.9, 0.03  # wanted: at least, at most

Range = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """What one kind of photo has more of than the others; what is not named is as in most photos."""

    fill: Range = (0.25, 0.7)  # the digit's longer side, as a share of the picture's shorter one
    pens: tuple[str, ...] = ("ballpoint", "ballpoint", "fineliner", "felt", "felt", "marker")
    papers: tuple[str, ...] = ("white", "white", "white", "coloured")
    rules: tuple[str, ...] = ("plain", "plain", "plain", "ruled", "squared")
    tables: tuple[str, ...] = ("grey", "wood", "light", "cloth")
    edges: tuple[int, int] = (0, 1)  # how many of the sheet's sides are in the picture
    tilt: float = 8  # degrees, standard deviation
    turn: float = 4
    gradient: Range = (0, 0.35)
    shadow: Range = (0, 0)  # the share of the light that it takes
    defocus: Range = (0, 0.2)  # of the pen's width
    motion: Range = (0, 0.2)
    fingers: tuple[int, int] = (0, 0)
    grain: Range = (1, 4)  # grey levels of noise
    sides: tuple[int, ...] = (900, 1200, 1600, 2048, 3000)  # the longer one, in pixels
    quality: tuple[int, int] = (60, 93)
    things: bool = False  # next to the digit
    under: tuple[str, ...] = field(default=())  # other sheets below this one


ALL_SIDES, SHEET = (4, 4), (0.15, 0.45)
KINDS = {
    "plain paper": Kind(rules=("plain",), edges=(0, 0)),
    "sheet on a grey table": Kind(fill=SHEET, edges=ALL_SIDES, tables=("grey",)),
    "sheet on wood": Kind(fill=SHEET, edges=ALL_SIDES, tables=("wood",)),
    "sheet on a light table or a cloth": Kind(fill=SHEET, edges=(2, 4), tables=("light", "cloth")),
    "other sheets around": Kind(edges=(1, 3), under=("ruled", "plain", "squared")),
    "ruled": Kind(rules=("ruled",)),
    "squared": Kind(rules=("squared",)),
    "coloured paper": Kind(papers=("coloured",), edges=(0, 4)),
    "fills the picture": Kind(fill=(0.8, 0.97)),
    "shadows": Kind(shadow=(0.3, 0.65)),
    "light from one side": Kind(gradient=(0.5, 0.8)),
    "out of focus": Kind(defocus=(0.4, 0.9), sides=(640, 900, 1200)),
    "shaken": Kind(motion=(0.6, 1.3), grain=(3, 8)),
    "fingers": Kind(fill=(0.25, 0.5), fingers=(1, 3), edges=(0, 2)),
    "pencil": Kind(pens=("pencil",)),
    "chalk on a board": Kind(pens=("chalk",), papers=("board",), rules=("plain",), edges=(0, 0)),
    "things beside it": Kind(fill=(0.2, 0.45), things=True),
    "all at once": Kind(
        fill=(0.2, 0.5),
        rules=("ruled", "squared"),
        edges=(1, 4),
        gradient=(0.2, 0.5),
        shadow=(0.1, 0.45),
        defocus=(0.1, 0.4),
        motion=(0, 0.5),
        fingers=(0, 2),
        grain=(2, 6),
        quality=(40, 80),
    ),
    "small file": Kind(sides=(200, 320, 480, 640), quality=(20, 60), fill=(0.3, 0.8)),
}
TILTED = Kind(tilt=22, turn=9)


@dataclass(frozen=True)
class Photo:
    kind: str
    digit: int
    file: bytes


def make(seed: int) -> Iterator[Photo]:
    """Ten photos of each kind, one after the other: each takes about a second."""
    for kind in KINDS:
        for digit in range(10):
            yield take(kind, digit, seed)


def take(kind: str, digit: int, seed: int) -> Photo:
    """Always the same photo."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), digit])
    return Photo(kind, digit, _take(KINDS[kind], digit, rng))


def _pick(options: tuple, rng: np.random.Generator):
    return options[rng.integers(len(options))]


def _take(kind: Kind, digit: int, rng: np.random.Generator) -> bytes:
    ink = write_digit(digit, _pick(kind.pens, rng), rng)
    side = _pick(kind.sides, rng)
    longer = min(side, LARGEST)
    size = (longer, longer * 3 // 4) if rng.random() < 0.5 else (longer * 3 // 4, longer)
    frame = float(ink.size.max() / rng.uniform(*kind.fill))
    much = TILTED if rng.random() < 0.15 else kind
    room = np.array(size) / min(size) * frame - ink.size
    off = room * np.clip(rng.normal(0, 0.17, 2), -0.33, 0.33)
    tilt = np.clip(rng.normal(0, much.tilt, 2), -30, 30)
    view = camera.stand(off, frame, size, float(np.clip(rng.normal(0, much.turn), -18, 18)), tuple(tilt))
    seen = camera.look(_lay(kind, ink, view, frame, rng), view)
    every = np.concatenate(ink.curves)
    camera.light(seen, rng.uniform(*kind.gradient), rng.uniform(*kind.shadow), rng)
    if kind.fingers[1]:
        lies = cv2.perspectiveTransform(every[:, None], view.homography)[:, 0]
        camera.hold(seen, (lies.min(0), lies.max(0)), int(rng.integers(kind.fingers[0], kind.fingers[1] + 1)), rng)
    pen = ink.width * min(size) / frame  # in pixels
    seen = camera.blur(seen, pen * rng.uniform(*kind.defocus), pen * rng.uniform(*kind.motion), rng)
    photo = camera.expose(seen, side, rng.uniform(0.55, 1.05), rng.uniform(*kind.grain), rng)
    return camera.to_jpeg(photo, int(rng.integers(kind.quality[0], kind.quality[1] + 1)))


def _lay(kind: Kind, ink: Ink, view: camera.View, frame: float, rng: np.random.Generator) -> Plane:
    """The table, the sheets and the digit, as far as the camera sees them."""
    low, high = view.region()
    low, high = np.maximum(low, -4 * frame), np.minimum(high, 4 * frame)
    scale = min(1.2 * min(view.size) / frame, 2600 / (high - low).max())
    width, height = np.ceil((high - low) * scale).astype(int)
    plane = Plane(np.zeros((height, width, 3), np.float32), float(scale), low)
    lay_table(plane, _pick(kind.tables, rng), rng)
    longest = float(ink.size.max())
    for rules in kind.under:
        lay_sheet(plane, _corners(kind, ink, view, rng, 3.0), "white", rules, longest, rng)
    lay_sheet(plane, _corners(kind, ink, view, rng), _pick(kind.papers, rng), _pick(kind.rules, rng), longest, rng)
    put_ink(plane, ink, rng)
    if kind.things:
        put_things(plane, ink, rng)
    return plane


def _corners(kind: Kind, ink: Ink, view: camera.View, rng: np.random.Generator, larger: float = 1.0) -> np.ndarray:
    """(4, 2) in mm: a sheet around the digit, some of whose sides the camera sees."""
    seen = view.to_desk(np.array([(0, 0), (view.size[0], 0), view.size, (0, view.size[1])], float))
    reach = np.array([-seen[[0, 3], 0].max(), -seen[:2, 1].max(), seen[1:3, 0].min(), seen[2:, 1].min()])
    clear = np.tile(ink.size / 2, 2) + 0.08 * ink.size.max()
    shown = rng.permutation(4) < rng.integers(kind.edges[0], kind.edges[1] + 1)
    between = clear + np.maximum(reach - clear, 0) * np.minimum(rng.uniform(0.3, 0.9, 4) * larger**0.3, 0.95)
    left, top, right, bottom = np.where(shown, between, np.maximum(3 * np.abs(seen).max(), 4 * clear))
    angle = np.radians(rng.normal(0, 3) if larger == 1 else rng.normal(0, 12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.array([(-left, -top), (right, -top), (right, bottom), (-left, bottom)]) @ turn.T


# --- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    photo: Photo
    read: int | None  # None: no digit was found
    unsure: bool

    @property
    def right(self) -> bool:
        return self.read == self.photo.digit

    @property
    def wrong(self) -> bool:
        """Without being unsure."""
        return self.read is not None and not self.right and not self.unsure


def read(photo: Photo, model: Recognizer) -> Outcome:
    try:
        reading = model.read(imaging.prepare(imaging.read(photo.file)))
    except AppError:
        return Outcome(photo, None, True)
    return Outcome(photo, reading.digit, reading.unsure)


def as_text(outcomes: list[Outcome]) -> str:
    """A line for each kind, and one for all."""
    lines = [f"{'':36} right  right, unsure  wrong, unsure  wrong"]
    for kind in [*dict.fromkeys(each.photo.kind for each in outcomes), None]:
        some = [each for each in outcomes if kind in (None, each.photo.kind)]
        right, wrong = (np.array([getattr(each, name) for each in some]) for name in ("right", "wrong"))
        unsure = np.array([each.unsure for each in some])
        counts = right.sum(), (right & unsure).sum(), (~right & unsure).sum(), wrong.sum()
        lines.append(f"{kind or 'all':30}{len(some):5d} {counts[0]:6d} {counts[1]:14d} {counts[2]:14d} {counts[3]:6d}")
    return "\n".join([*lines, f"{right.mean():.1%} right, {wrong.mean():.1%} wrong without being unsure"])


def _write(outcome: Outcome, folder: Path) -> None:
    name = f"{outcome.photo.kind.replace(' ', '-')}-{outcome.photo.digit}"
    (folder / f"{name}.jpg").write_bytes(outcome.photo.file)
    if outcome.read is not None:
        saw = imaging.prepare(imaging.read(outcome.photo.file))
        (folder / f"{name}-saw-{outcome.read}{'-unsure' * outcome.unsure}.png").write_bytes(imaging.to_png(saw))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unseen", action="store_true", help="the other half")
    parser.add_argument("--model-path", type=cli.existing, default=Path("models/default"), help="folder of the model")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where to write photos and what the model saw")
    args = parser.parse_args()
    if args.write:
        cli.make_folder(args.write)
    model = Recognizer.load(args.model_path / "model.onnx")
    outcomes = []
    for photo in make(UNSEEN if args.unseen else DEVELOPMENT):
        outcomes.append(read(photo, model))
        if args.write:
            _write(outcomes[-1], args.write)
    print(as_text(outcomes))
    right, wrong = (sum(getattr(each, name) for each in outcomes) for name in ("right", "wrong"))
    raise SystemExit(right < RIGHT * len(outcomes) or wrong > WRONG * len(outcomes))


if __name__ == "__main__":
    cli.run(main)
