"""Picture files that are small and ask a decoder for much: for the tests, and for the hostile client of crowd.py.

Each is a function from nothing to bytes; `HOSTILE` names all of them.
"""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

SIDE = 100  # pixels
MEGABYTE = 1_000_000


def _saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def blob(side: int) -> Image.Image:
    """Something with ink on it."""
    picture = np.full((side, side), 255, np.uint8)
    picture[side // 4 : side // 2, side // 3 : side // 2] = 0
    return Image.fromarray(picture)


# --- JPEG -------------------------------------------------------------------------------------------


@cache
def many_scans(scans: int, side: int = SIDE) -> bytes:
    """A progressive JPEG whose last scan comes again and again, each over the whole picture."""
    whole = _saved(blob(side), "JPEG", progressive=True, quality=50)
    header = bytes.fromhex("ffda0008010100") + b"\x01\x3f\x10"  # it refines nothing, in all blocks
    body, symbols = _end_of_blocks((-(-side // 8)) ** 2)
    start = whole[: whole.index(b"\xff\xda")] + _first_scan(whole) + _table(0x10, symbols)
    return start + (header + body) * (scans - 1) + b"\xff\xd9"


def _first_scan(jpeg: bytes) -> bytes:
    """The scan of the DC coefficients, up to the next segment."""
    start = end = jpeg.index(b"\xff\xda")
    while True:
        end = jpeg.index(b"\xff", end + 2)
        if jpeg[end + 1]:
            return jpeg[start:end]


def _table(kind: int, symbols: list[int]) -> bytes:
    """A Huffman table whose codes are all 8 bits long."""
    return (
        b"\xff\xc4"
        + struct.pack(">HB", 19 + len(symbols), kind)
        + bytes([0] * 7 + [len(symbols)] + [0] * 8)
        + bytes(symbols)
    )


def _end_of_blocks(blocks: int) -> tuple[bytes, list[int]]:
    """Runs of empty blocks, at most 32,767 each, and their symbols in the table."""
    symbols, out = [0xE0, 0xD0, 0xC0, 0xB0, 0xA0, 0x90, 0x80, 0x70, 0x60, 0x50, 0x40, 0x30, 0x20, 0x10, 0x00], ""
    while blocks:
        power = min(14, blocks.bit_length() - 1)
        run = min(blocks, (1 << power + 1) - 1)
        out += f"{symbols.index(power << 4):08b}" + (f"{run - (1 << power):0{power}b}" if power else "")
        blocks -= run
    out += "1" * (-len(out) % 8)
    return int(out, 2).to_bytes(len(out) // 8, "big").replace(b"\xff", b"\xff\x00"), symbols


def _with_segments(segments: bytes) -> bytes:
    """A small JPEG with these after its start."""
    jpeg = _saved(blob(SIDE), "JPEG")
    return jpeg[:2] + segments + jpeg[2:]


def empty_segments(marker: int, size: int) -> bytes:
    """COM is 0xFE, APP0 0xE0."""
    return _with_segments(bytes([0xFF, marker, 0, 2]) * (size // 4))


def filler(size: int) -> bytes:
    return _with_segments(b"\xff" * size)


def junk(size: int) -> bytes:
    """What is no segment, between segments."""
    return _with_segments(b"\xff\xf0" + b"\x01" * size)


def photoshop_segments(size: int) -> bytes:
    """Photoshop's segments, full of the smallest entries that they can hold."""
    entry = b"8BIM\x04\x04\x00\x00\x00\x00\x00\x00"
    body = b"Photoshop 3.0\x00" + entry * ((65_000 - 14) // len(entry))
    return _with_segments((b"\xff\xed" + struct.pack(">H", len(body) + 2) + body) * (size // len(body)))


# --- PNG --------------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, side: int = SIDE, depth: int = 8, colour: int = 0, pixels: bytes | None = None) -> bytes:
    """A PNG with these chunks between its header and its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))
    if pixels is None:
        pixels = b"".join(b"\0" + bytes(row) for row in np.asarray(blob(side)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND")


def empty_chunks(size: int) -> bytes:
    return png(chunk(b"prVt") * (size // 12))


def empty_pixels(size: int) -> bytes:
    return png(chunk(b"IDAT") * (size // 12))


def text_bombs(kind: bytes, size: int) -> bytes:
    """Each of them a megabyte, once unpacked."""
    body = b"name\0\0" + zlib.compress(bytes(MEGABYTE), 9)
    return png(chunk(kind, body) * (size // (len(body) + 12)))


def pixel_bomb(size: int) -> bytes:
    """More pixels than its header says: the rest is to be thrown away."""
    return png(pixels=bytes(size))


def second_header() -> bytes:
    """A small PNG for who reads the first header; 39 megapixels of 16 bits for Pillow, which believes the last one."""
    large = chunk(b"IHDR", struct.pack(">IIBBBBB", 6240, 6240, 16, 0, 0, 0, 0))
    return png(large, pixels=bytes(6240 * (1 + 2 * 6240)))


def palette_without_palette() -> bytes:
    return png(colour=3)


# --- the others -------------------------------------------------------------------------------------


def gif_junk(size: int) -> bytes:
    """What is no block, before the picture."""
    gif = _saved(blob(SIDE), "GIF")
    start = 13 + (3 << (gif[10] & 7) + 1)
    return gif[:start] + b"\x01" * size + gif[start:]


def gif_comments(size: int) -> bytes:
    """Of one byte each."""
    gif = _saved(blob(SIDE), "GIF")
    start = 13 + (3 << (gif[10] & 7) + 1)
    return gif[:start] + b"!\xfe\x01x\x00" * (size // 5) + gif[start:]


def bmp_runs(size: int) -> bytes:
    """Run-length encoding, which Pillow unpacks in Python, in runs of no pixel."""
    runs = b"\x00\x02\x00\x00" * (size // 4) + b"\x00\x01"
    palette = bytes(1024)
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + len(runs), 0, 0, 14 + 40 + 1024) + header + palette + runs


def large(kind: str, side: int = 6240) -> bytes:
    """Nearly 40 megapixels: as much as is allowed."""
    return _saved(blob(side), kind)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "progressive JPEG of 50 kB with 3,700 scans": lambda: many_scans(3_700, 700),
    "progressive JPEG of 1 MB with 76,000 scans": lambda: many_scans(76_000, 700),
    "progressive JPEG of 100 kB and 3000×3000": lambda: many_scans(3_000, 3000),
    "as many scans as are allowed": lambda: many_scans(99, 3000),
    "empty COM segments": lambda: empty_segments(0xFE, 9 * MEGABYTE),
    "empty APP0 segments": lambda: empty_segments(0xE0, 9 * MEGABYTE),
    "Photoshop's segments": lambda: photoshop_segments(9 * MEGABYTE),
    "0xFF between segments": lambda: filler(9 * MEGABYTE),
    "junk between segments": lambda: junk(9 * MEGABYTE),
    "empty chunks": lambda: empty_chunks(9 * MEGABYTE),
    "empty IDAT chunks": lambda: empty_pixels(9 * MEGABYTE),
    "texts that unpack": lambda: text_bombs(b"zTXt", 9 * MEGABYTE),
    "profiles that unpack": lambda: text_bombs(b"iCCP", 9 * MEGABYTE),
    "100 MB of pixels": lambda: pixel_bomb(100 * MEGABYTE),
    "junk in a GIF": lambda: gif_junk(9 * MEGABYTE),
    "comments in a GIF": lambda: gif_comments(9 * MEGABYTE),
    "runs of a BMP": lambda: bmp_runs(9 * MEGABYTE),
    "39 megapixels of PNG": lambda: large("PNG"),
    "39 megapixels of WebP": lambda: large("WEBP"),
    "39 megapixels behind a second header": second_header,
    "palette without a palette": palette_without_palette,
}
