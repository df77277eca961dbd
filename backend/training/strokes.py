"""Digits as pen strokes, made here: skeletons.py's shapes, bent by hand.py and drawn with a round pen.

cd backend && uv run python -m training.strokes        # writes plots/strokes.png, a sheet of them and of others
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import cv2
import torch

from app.imaging import SIDE
from training.data import BACKEND, NO_DIGIT, NOTHING, Digits
from training.hand import make_pictures

CHUNK = 500  # pictures that a process makes at a time


def make_digits(count: int, seed: int) -> Digits:
    """`count` digits, as many of each, prepared by imaging.py as a sketch would be."""
    return Digits(_make(count, seed, digits=True), torch.arange(count) % 10)


def make_others(count: int, seed: int) -> Digits:
    """`count` drawings that are no digits, labelled NO_DIGIT."""
    return Digits(_make(count, seed, digits=False), torch.full((count,), NO_DIGIT))


def make_drawn(digits: int, others: int, seed: int, share: float) -> tuple[Digits, Digits]:
    """(to train on, to validate on): so many digits and other drawings, and `share` as many that are not the same."""
    drawn, held_out = NOTHING, NOTHING
    for make, count in ((make_digits, digits), (make_others, others)):
        drawn += make(count, 2 * seed)
        held_out += make(int(count * share), 2 * seed + 1)
    return drawn, held_out


def _make(count: int, seed: int, digits: bool) -> torch.Tensor:
    chunks = [(min(CHUNK, count - start), seed, start, digits) for start in range(0, count, CHUNK)]
    if len(chunks) <= 1:
        return torch.from_numpy(make_pictures((count, seed, 0, digits)))
    workers = min(os.cpu_count() or 1, len(chunks))
    shares = [chunks[len(chunks) * n // workers : len(chunks) * (n + 1) // workers] for n in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        pixels = b"".join(pool.map(_elsewhere, shares))
    return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(count, SIDE, SIDE)


def _elsewhere(chunks: list[tuple[int, int, int, bool]]) -> bytes:
    """In a process that imports neither torch nor the caller's script, which takes longer than 1,000 drawings do."""
    command = [sys.executable, "-m", "training.hand"]
    return subprocess.run(command, input=json.dumps(chunks).encode(), cwd=BACKEND, stdout=PIPE, check=True).stdout


def _sheet(path: Path) -> None:
    images = torch.cat([make_digits(240, seed=0).images, make_others(160, seed=0).images]).numpy()
    sheet = images.reshape(20, 20, 28, 28).transpose(0, 2, 1, 3).reshape(20 * 28, 20 * 28)
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(sheet, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))


if __name__ == "__main__":
    _sheet(Path("plots/strokes.png"))
