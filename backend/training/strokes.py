"""Digits as pen strokes: skeletons.py's shapes, and those of real people, bent by hand.py and drawn with a round pen.

cd backend && uv run python -m training.strokes        # writes plots/strokes.png, a sheet of both kinds
"""

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import cv2
import torch

from app.config import usable_cores
from app.imaging import SIDE
from training.cli import Unusable
from training.config import Config
from training.data import BACKEND, NO_DIGIT, NOTHING, Digits
from training.drawings import Chunk, make_pictures
from training.samples import from_samples
from training.writers import find_strokes, split_writers, strokes_directory

log = logging.getLogger("train")

CHUNK = 500  # pictures that a process makes at a time
WITHOUT_REAL = "about half a point on strangers' digits"
ATTRIBUTION = (
    "49 writers of UCI's pendigits (Alpaydin, Alimoglu, 1996) and UJI Pen Characters 2 (Llorens and others, 2008), "
    "both CC BY 4.0"
)


def make_digits(count: int, seed: int) -> Digits:
    """`count` digits, as many of each, prepared by imaging.py as a sketch would be."""
    return Digits(_make(Chunk("digit", count, seed, 0)), torch.arange(count) % 10)


def make_non_digits(count: int, seed: int) -> Digits:
    """`count` drawings that are not digits, labelled NO_DIGIT."""
    return Digits(_make(Chunk("other", count, seed, 0)), torch.full((count,), NO_DIGIT))


def make_real(count: int, seed: int, folder: Path) -> Digits:
    """`count` digits, as many of each, after those of the people in `folder` who are learned from (writers.py)."""
    return Digits(_make(Chunk("real", count, seed, 0, str(folder))), torch.arange(count) % 10)


def make_drawn(digits: int, non_digits: int, seed: int, share: float) -> tuple[Digits, Digits]:
    """(to train on, to validate on): this many digits and other drawings, and `share` as many that are not the same."""
    drawn, held_out = NOTHING, NOTHING
    for make, count in ((make_digits, digits), (make_non_digits, non_digits)):
        drawn += make(count, 2 * seed)
        held_out += make(int(count * share), 2 * seed + 1)
    return drawn, held_out


def gather_real(count: int, seed: int) -> tuple[Digits, Digits]:
    """(`count` digits after real writers, those of the held-out writers as they are); nothing where `count` is 0.

    Where there are no strokes and none can be downloaded, nothing as well, and a warning.
    """
    if not count:
        return NOTHING, NOTHING
    folder = strokes_directory()
    try:
        _, held_out = split_writers(find_strokes(folder))
    except Unusable as e:
        log.warning("%s. Continuing without real writers, which costs %s.", e, WITHOUT_REAL)
        return NOTHING, NOTHING
    log.info("drawing %d digits after real writers", count)
    return make_real(count, 2 * seed, folder), from_samples(held_out)


def describe(config: Config, writer_digits: int) -> str:
    """For a card: what was made to train on and, as CC BY asks, after whose strokes."""
    made = f"{config.synthetic_digits} digits and {config.non_digits} other drawings by training/strokes.py"
    return f"{made}, {writer_digits} digits after {ATTRIBUTION}" if writer_digits else made


def _make(whole: Chunk) -> torch.Tensor:
    """(n, 28, 28) uint8; in as many processes as there are cores to use, where there are many."""
    starts = range(0, whole.count, CHUNK)
    chunks = [whole._replace(start=start, count=min(CHUNK, whole.count - start)) for start in starts]
    if len(chunks) <= 1:
        return torch.from_numpy(make_pictures(whole))
    workers = min(usable_cores(), len(chunks))
    shares = [chunks[len(chunks) * n // workers : len(chunks) * (n + 1) // workers] for n in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        pixels = b"".join(pool.map(_elsewhere, shares))
    return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(whole.count, SIDE, SIDE)


def _elsewhere(chunks: list[Chunk]) -> bytes:
    """In a process that imports neither torch nor the caller's script, which takes longer than 1,000 drawings do."""
    command = [sys.executable, "-m", "training.drawings"]
    return subprocess.run(command, input=json.dumps(chunks).encode(), cwd=BACKEND, stdout=PIPE, check=True).stdout


def _sheet(path: Path) -> None:
    images = torch.cat([make_digits(240, seed=0).images, make_non_digits(160, seed=0).images]).numpy()
    sheet = images.reshape(20, 20, 28, 28).transpose(0, 2, 1, 3).reshape(20 * 28, 20 * 28)
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(sheet, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))


if __name__ == "__main__":
    _sheet(Path("plots/strokes.png"))
