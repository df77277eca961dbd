"""Digits that real people wrote on tablets, to learn from: where they are, and which writers are held out.

Two collections of the UCI Machine Learning Repository, both CC BY 4.0: E. Alpaydin, F. Alimoglu, Pen-Based Recognition
of Handwritten Digits, 1996 (its training set, 30 writers), and D. Llorens and others, UJI Pen Characters, version 2,
2008 (writers 17 to 47). Knows nothing of torch.
"""

import hashlib
import io
import re
import urllib.request
import zipfile
from functools import cache
from http.client import HTTPException
from pathlib import Path

import numpy as np
from unlzw3 import unlzw

from training import cli
from training.cli import Unusable, make_folder, one_line
from training.settings import BACKEND, Settings
from training.unipen import DIGITS, Sample, read_unipen

UCI = "https://archive.ics.uci.edu/static/public/"
PENDIGITS, UJI = "pendigits-orig-tra.txt", "ujipenchars2.txt"
ARCHIVES = {  # the file here: the archive at UCI, and the file's name in it
    PENDIGITS: ("81/pen%2Bbased%2Brecognition%2Bof%2Bhandwritten%2Bdigits.zip", "pendigits-orig.tra.Z"),
    UJI: ("177/uji%2Bpen%2Bcharacters%2Bversion%2B2.zip", "ujipenchars2.txt"),
}
SHA256 = "32b82d61f7b0fb4db1477d2157a12703abf30c641101e82cdb3c608f246f309b"  # of the strokes, not of the files
PATIENCE_S = 30  # for UCI's server to say something
HELD_OUT = 6  # writers of each collection that nothing is ever learned from

UJI_WORD = re.compile(r"^WORD (\S) \w+?_UPV_W(\d+)-\d+\n((?:  .*\n?)+)", re.MULTILINE)
UJI_WRITERS = range(17, 48)


def strokes_directory() -> Path:
    """Where the strokes are, or are downloaded to: STROKES_DIR, relative to backend/."""
    return BACKEND / Settings().strokes_dir


def existing_or_known(text: str) -> Path:
    """A file or folder that is there, or else in STROKES_DIR: a type for argparse."""
    known = strokes_directory() / text
    return known if not Path(text).exists() and known.exists() else cli.existing(text)


def find_strokes(folder: Path) -> list[Sample]:
    """Every digit of both collections; downloads what is not in `folder`.

    Raises Unusable where that fails, or where the strokes are not the known ones.
    """
    for name in ARCHIVES:
        if not (folder / name).exists():
            _download(name, folder)
    samples = read_strokes(folder)
    if checksum(samples) != SHA256:
        raise Unusable(f"The strokes in {folder} are not those that were published. Delete {' and '.join(ARCHIVES)}.")
    return samples


@cache
def read_strokes(folder: Path) -> list[Sample]:
    """As find_strokes, without a download or a check. A writer is named after the collection, such as `uji-17`."""
    pendigits = [s._replace(writer=f"pendigits-{s.writer}") for s in read_unipen(folder / PENDIGITS)]
    return [s for s in pendigits + read_uji(folder / UJI) if s.label in DIGITS]


def read_uji(path: Path) -> list[Sample]:
    """The digits by writers 17 to 47 in UJI Pen Characters' own format; x and y, with y growing downwards."""
    samples = []
    for label, writer, strokes in UJI_WORD.findall(path.read_text(errors="replace")):
        if label in DIGITS and int(writer) in UJI_WRITERS:
            points = [line.split("#")[1].split() for line in strokes.splitlines() if "#" in line]
            samples.append(Sample(label, [np.array(p, float).reshape(-1, 2) for p in points], f"uji-{writer}"))
    return samples


def split_writers(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """(to learn from, held out): whole writers, the same ones in every run, HELD_OUT of each collection."""
    writers = sorted({s.writer for s in samples}, key=lambda writer: hashlib.sha256(writer.encode()).digest())
    held_out = {
        writer
        for collection in ("pendigits", "uji")
        for writer in [w for w in writers if w.startswith(collection)][:HELD_OUT]
    }
    return [s for s in samples if s.writer not in held_out], [s for s in samples if s.writer in held_out]


def checksum(samples: list[Sample]) -> str:
    """SHA-256 over labels, writers and points: the same however the files were packed."""
    digest = hashlib.sha256()
    for label, strokes, writer in samples:
        digest.update(f"{label} {writer} {len(strokes)}".encode())
        for stroke in strokes:
            digest.update(stroke.astype("<f8").tobytes())
    return digest.hexdigest()


def _download(name: str, folder: Path) -> None:
    path, member = ARCHIVES[name]
    try:
        # not urlopen, which would keep the proxies of the process's first download
        with urllib.request.build_opener().open(UCI + path, timeout=PATIENCE_S) as response:
            archive = zipfile.ZipFile(io.BytesIO(response.read()))
        inside = next(entry for entry in archive.namelist() if entry.endswith(member))
        content = archive.read(inside)
        content = unlzw(content) if member.endswith(".Z") else content
    except (OSError, HTTPException, ValueError, zipfile.BadZipFile, StopIteration) as e:
        raise Unusable(f"{name} is missing in {folder}, and cannot be downloaded from UCI: {one_line(e)}") from e
    make_folder(folder)
    part = folder / f"{name}.part"
    part.write_bytes(content)
    part.replace(folder / name)  # whole or not at all, even if this process is killed
