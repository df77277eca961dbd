"""Pictures with some of their bits, bytes or parts changed, and one that only we write."""

import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tests import hostile


def interlaced(side: int = hostile.SIDE) -> bytes:
    """A PNG that comes in seven passes, which Pillow reads and does not write."""
    picture = np.asarray(hostile.blob(side))
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row for top, left, down, across in passes for row in picture[top::down, left::across]]
    whole = bytearray(hostile.png(side=side, pixels=b"".join(b"\0" + row.tobytes() for row in rows)))
    whole[28] = 1
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    return bytes(whole)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The picture with some of its bits, bytes or parts changed, moved, repeated or left out."""
    for _ in range(rng.integers(1, 5)):
        data = _mutations(data)[rng.integers(len(_mutations(data)))](data, rng)
    return data


def _mutations(data: bytes) -> list[Callable[[bytes, np.random.Generator], bytes]]:
    parted = [_shuffled] * 3 if data.startswith((b"\x89PNG", b"\xff\xd8")) else []
    return [_flipped, _flipped_at_the_start, _cut_off, _repeated, _filled, *parted]


def _flipped(data: bytes, rng: np.random.Generator, until: int | None = None) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(0, max(1, len(changed[:until])), rng.integers(1, 20)):
        changed[at : at + 1] = bytes([changed[at] ^ 1 << int(rng.integers(8))]) if at < len(changed) else b""
    return bytes(changed)


def _flipped_at_the_start(data: bytes, rng: np.random.Generator) -> bytes:
    """Where sizes, depths and palettes are."""
    return _flipped(data, rng, 100)


def _cut_off(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, len(data) + 1)] if rng.random() < 0.5 else data


def _repeated(data: bytes, rng: np.random.Generator) -> bytes:
    start, at = rng.integers(0, len(data) + 1, 2)
    return data[:at] + data[start : start + rng.integers(1, 500)] + data[at:]


def _filled(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes become the largest or the smallest that there are."""
    at, length = rng.integers(0, len(data) + 1), int(rng.integers(1, 9))
    return data[:at] + bytes([rng.choice([0, 255])]) * length + data[at + length :]


def _shuffled(data: bytes, rng: np.random.Generator) -> bytes:
    """Chunks or segments in another order, some twice, some not at all; a PNG's checksums stay right."""
    start, parts = (8, _chunks_of(data)) if data.startswith(b"\x89PNG") else (2, _segments_of(data))
    order = rng.integers(0, len(parts), len(parts)) if rng.random() < 0.5 else rng.permutation(len(parts))
    return data[:start] + b"".join(parts[n] for n in order)


def _chunks_of(data: bytes) -> list[bytes]:
    parts, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = bytearray(data[at + 8 : at + 8 + length])
        parts.append(hostile.chunk(data[at + 4 : at + 8], bytes(body)))
        at += 12 + length
    return parts or [b""]


def _segments_of(data: bytes) -> list[bytes]:
    marks = [at for at in range(2, len(data) - 1) if data[at] == 0xFF and 0xC0 <= data[at + 1] < 0xFF] + [len(data)]
    return [data[start:end] for start, end in pairwise(marks)] or [b""]
