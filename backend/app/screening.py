"""Checks picture files before they are decoded: a few bytes can make a decoder work for minutes.

Pillow parses segments, chunks, blocks and junk between them one by one in Python, and each scan of a progressive JPEG
goes over the whole picture. Files that no camera, scanner or program writes are refused here.
"""

import re
import struct
from collections.abc import Iterator

from app.errors import ImageTooLarge, PictureTooComplex

MAX_PIXELS = 40_000_000

# PNGs like those of a browser's canvas are read in the event loop, since that takes a few milliseconds at most
QUICK_PIXELS = 200_000
QUICK_BYTES = 400_000
QUICK_CHUNKS = 64  # Chromium writes chunks of 8 kB
QUICK_KINDS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"sBIT", b"bKGD"}
QUICK_EXIF = 256  # bytes; Safari adds some
PLAIN_CHANNELS = {0: 1, 2: 3, 6: 4}  # by a PNG's type of colour

MAX_CHUNKS = 10_000  # of a PNG; 10 MB in pieces of 8 kB are 1,221
MAX_OTHER_CHUNKS = 200  # without pixels
MAX_SEGMENTS = 500  # of a JPEG; 10 MB in segments of 64 kB are 153
MAX_FILLER = 4096  # bytes between segments
MAX_SCANS = 100  # cameras write 1, programs about 10
MAX_SCANNED = 1_000_000_000  # pixels of all scans, over a second; 40 megapixels of CMYK in 18 scans are 720 million
MAX_BLOCKS = 20_000  # of a GIF, before its first picture
MAX_RUNS = 2_000_000  # bytes of a BMP in run-length encoding, which Pillow unpacks in Python

PNG = b"\x89PNG\r\n\x1a\n"
KINDS = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", b"BM")  # the first bytes of a picture
CHUNK = struct.Struct(">I4s")
PIXELS = {b"IDAT", b"fdAT", b"fcTL"}

MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # not FF00, a byte of the picture, nor RST nor filler
SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the segments with the size
WITHOUT_LENGTH = {0x01, SOI, EOI, *range(0xF0, 0xFE)}  # for Pillow


def is_quick(data: bytes) -> bool:
    """Whether it is a small, plain PNG, which is read as fast as sent to another process; or not a picture at all."""
    if not data.startswith(KINDS):
        return True
    if not data.startswith(PNG) or len(data) > QUICK_BYTES or data[12:16] != b"IHDR" or len(data) < 33:
        return False
    width, height = png_size(data)
    if width * height > QUICK_PIXELS:
        return False
    for number, (kind, length) in enumerate(_chunks(data)):
        if number >= QUICK_CHUNKS or not (kind in QUICK_KINDS or (kind == b"eXIf" and length <= QUICK_EXIF)):
            return False
        if kind == b"IHDR" and number:  # another size, which Pillow would take for the picture's
            return False
    return True


def plain_channels(data: bytes) -> int:
    """Grey (1), RGB (3) or RGBA (4), if it is a small PNG that holds nothing but pixels of 8 bits a channel; else 0."""
    if not data.startswith(PNG) or not is_quick(data) or data[24] != 8 or b"tRNS" in data or b"eXIf" in data:
        return 0
    return PLAIN_CHANNELS.get(data[25], 0)


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height."""
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def check(data: bytes) -> None:
    """Raises PictureTooComplex, and ImageTooLarge for a WebP, whose decoder allocates memory when it is opened."""
    if data.startswith(PNG):
        _check_png(data)
    elif data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(b"GIF8"):
        _check_gif(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        _check_webp(data)
    elif data.startswith(b"BM") and data[30:31] in (b"\1", b"\2") and len(data) > MAX_RUNS:
        raise PictureTooComplex


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = len(PNG)
    while at + CHUNK.size <= len(data):
        length, kind = CHUNK.unpack_from(data, at)
        yield kind, length
        at += length + 12


def _check_png(data: bytes) -> None:
    others = 0
    for number, (kind, _) in enumerate(_chunks(data)):
        others += kind not in PIXELS
        if number > MAX_CHUNKS or others > MAX_OTHER_CHUNKS:
            raise PictureTooComplex


def _check_jpeg(data: bytes) -> None:
    pixels = segments = filler = scans = at = 0
    while found := MARKER.search(data, at):
        marker, start = data[found.end() - 1], found.end()
        segments += 1
        filler += 0 if scans else found.start() - at
        if marker == EOI and scans:
            return
        if marker == SOS:
            scans += 1
        if marker in FRAMES and start + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, start + 3)
            pixels = max(pixels, width * height)
        if segments > MAX_SEGMENTS or filler > MAX_FILLER or scans > MAX_SCANS or scans * pixels > MAX_SCANNED:
            raise PictureTooComplex
        at = start if marker in WITHOUT_LENGTH else start + int.from_bytes(data[start : start + 2], "big")
    if not scans and len(data) - at > MAX_FILLER:
        raise PictureTooComplex


def _check_gif(data: bytes) -> None:
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 128 else 0)
    blocks = 0
    while at < len(data) and data[at] not in b",;":
        if data[at] == ord("!"):
            at += 2
            while at < len(data) and data[at]:  # its parts, each preceded by its length
                at += data[at] + 1
                if (blocks := blocks + 1) > MAX_BLOCKS:
                    raise PictureTooComplex
        at += 1
        if (blocks := blocks + 1) > MAX_BLOCKS:
            raise PictureTooComplex


def _check_webp(data: bytes) -> None:
    width = height = 0
    if data[12:16] == b"VP8X" and len(data) >= 30:
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif data[12:16] == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif data[12:16] == b"VP8 " and len(data) >= 30:
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    if width * height > MAX_PIXELS:
        raise ImageTooLarge
