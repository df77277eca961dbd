"""Any picture is prepared as MNIST was. (tests/behaviour tests which digits are read.)"""

import io
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from app import imaging, screening
from app.config import BACKEND
from app.errors import AppError, BlankImage, ImageTooLarge, MalformedImage, NotAnImage
from app.imaging import BOX, KEPT_SIDE, SIDE, prepare, read, to_png
from tests.drawings import colour, draw, encode, grey, on_table, on_transparent, photo
from tests.scenes import ALL, DIRT, FILES, SHEETS, STORED, noisy, oriented, sketch_of

PLAIN = {digit: prepare(draw(digit)) for digit in range(10)}


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two pictures, 1 where they are the same; a shift by a pixel, which rounding may bring, is free."""
    shifted = [np.roll(other, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(float((one * s).sum() / np.sqrt((one**2).sum() * (s**2).sum())) for s in shifted)


def likenesses(name: str) -> list[float]:
    """The similarity of each digit of a scene, once prepared, to the plain drawing."""
    return [alike(prepare(sketch_of(name, digit)), PLAIN[digit]) for digit in range(10)]


# --- from file to 28×28 -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_file_format_makes_no_difference(name):
    assert min(likenesses(name)) > 0.97


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (280, 280), (640, 3), (300, 250)])
@pytest.mark.parametrize("kind", ["noise", "steps"])
def test_plain_png_is_decoded_as_pillow_decodes_it(mode, channels, size, kind):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size[1], size[0], 4), np.uint8)
    if kind == "steps":  # other filters than noise has
        pixels = np.cumsum(pixels % 3, 0, dtype=np.uint8)
    data = encode(Image.fromarray(pixels, "RGBA").convert(mode))
    assert screening.plain_channels(data) == channels
    np.testing.assert_array_equal(
        imaging._decode_plain(data, channels)[:, :, :],
        np.asarray(Image.open(io.BytesIO(data))).reshape(*size[::-1], -1),
    )
    np.testing.assert_array_equal(imaging._read_grey(data), imaging._at_work_size(imaging.open_picture(data)))


def test_png_that_is_only_damaged_for_the_fast_decoder_is_read_by_pillow():
    data = bytearray(encode(draw(7)))
    at = data.index(b"IEND") - 8
    data[at] ^= 1  # the checksum of the pixels
    assert imaging._decode_plain(bytes(data), 1) is None
    np.testing.assert_array_equal(read(bytes(data)), draw(7))


@pytest.mark.parametrize("name", SHEETS)
def test_colours_and_transparency_make_no_difference(name):
    assert min(likenesses(name)) > 0.97


@pytest.mark.long
@pytest.mark.parametrize("name", DIRT)
def test_dirt_light_and_texture_make_little_difference(name):
    # a thin pen stays thin, which costs similarity: the shape must be found, and nothing else
    assert np.mean(likenesses(name)) > (0.75 if "thin" in name else 0.9)


@pytest.mark.parametrize(
    "name",
    [
        "12 pixels",
        "28 pixels",
        "281 pixels",
        "wide",
        "tall",
        "2000 pixels",
        "3% of 4000 pixels",
        "3% of 4000 pixels, dark, in the corner",
        "fills the canvas",
        "in the corner",
    ],
)
def test_size_and_place_make_little_difference(name):
    assert np.mean(likenesses(name)) > (0.85 if name == "12 pixels" else 0.93)


@pytest.mark.parametrize("name", ALL)
def test_kept_sketch_read_again_is_the_same(name):
    for digit in (3, 7):
        sketch = sketch_of(name, digit)
        again = read(to_png(sketch))
        assert sketch.dtype == np.uint8
        assert max(sketch.shape) <= KEPT_SIDE
        np.testing.assert_array_equal(again, sketch)
        np.testing.assert_array_equal(prepare(again), prepare(sketch))


@pytest.mark.parametrize("name", ALL)
def test_prepared_digit_fills_the_box_and_lies_on_its_centre_of_mass(name):
    for digit in range(10):
        image = prepare(sketch_of(name, digit))
        assert image.shape == (SIDE, SIDE)
        assert image.dtype == np.float32
        assert image.min() == 0
        assert image.max() == pytest.approx(1)
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        # a pixel less where an edge is so pale that it comes out as paper
        assert BOX - 1 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= BOX
        down, across = (np.average(np.arange(SIDE), weights=image.sum(axis)) for axis in (1, 0))
        assert abs(down - SIDE / 2) <= 0.5001
        assert abs(across - SIDE / 2) <= 0.5001


@pytest.mark.parametrize("corner", [(0, 0), (-1, -1)])
def test_speck_in_a_corner_changes_nothing(corner):
    """A sketch whose whole border has one grey is searched for ink in another way."""
    for digit in range(10):
        sketch = np.array(draw(digit))
        sketch[corner] = 255 - sketch[corner]
        np.testing.assert_array_equal(prepare(sketch), PLAIN[digit])


def test_small_grey_picture_is_kept_as_it_is():
    np.testing.assert_array_equal(read(encode(draw(5, (200, 150)))), draw(5, (200, 150)))


def test_kept_sketch_of_a_large_picture_holds_the_digit_and_some_paper_around_it():
    sketch = read(encode(draw(8, 3000, size=0.1, at=(0.8, 0.3))))
    rows, columns = np.flatnonzero((sketch > 127).any(1)), np.flatnonzero((sketch > 127).any(0))
    assert rows[0] > 0
    assert columns[0] > 0
    assert rows[-1] < sketch.shape[0] - 1
    assert columns[-1] < sketch.shape[1] - 1
    assert 0.5 < np.ptp(rows) / max(sketch.shape) < 0.95


def test_pen_width_is_kept_relative_to_the_digit():
    amounts = [prepare(draw(3, pen=pen)).sum() for pen in (0.04, 0.08, 0.12, 0.16)]
    assert amounts == sorted(amounts)
    assert amounts[-1] > 2 * amounts[0]


# --- polarity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pen", [0.03, 0.1, 0.2])
@pytest.mark.parametrize("size", [0.2, 0.6, 0.9])
def test_inverted_picture_gives_the_same(pen, size):
    for digit in range(10):
        drawn = draw(digit, pen=pen, size=size)
        assert alike(prepare(drawn), prepare(255 - drawn)) > 0.999


def test_bold_digit_whose_ink_covers_more_than_its_paper_is_not_inverted():
    drawn = draw(0, size=0.8, pen=0.45)
    assert (drawn > 127).mean() > 0.5 > (prepare(drawn)[4:24, 4:24] == 0).mean()
    assert prepare(drawn)[0].max() == prepare(255 - drawn)[0].max() == 0  # paper around it


@pytest.mark.parametrize("pen", [0.2, 0.3])
def test_bold_digit_on_a_large_canvas_is_not_taken_for_a_sheet(pen):
    for digit in range(10):
        small, large = draw(digit, 280, size=0.75, pen=pen), draw(digit, 1120, size=0.75, pen=pen)
        for polarity in (small, 255 - small), (large, 255 - large):
            assert alike(prepare(polarity[0]), prepare(polarity[1])) > 0.97
        assert alike(prepare(read(encode(large))), prepare(small)) > 0.97
        assert alike(prepare(read(encode(255 - large))), prepare(small)) > 0.97


@pytest.mark.parametrize(("pen", "paper"), [(255, 200), (130, 90), (100, 130), (0, 30), (225, 255)])
def test_low_contrast_is_stretched(pen, paper):
    assert alike(prepare(grey(draw(2), pen, paper)), PLAIN[2]) > 0.97


# --- upright ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_orientation_is_obeyed(kind, orientation):
    lossless = {"lossless": True} if kind == "WEBP" else {}
    picture = Image.fromarray(draw(7, (200, 260)))
    np.testing.assert_array_equal(read(oriented(picture, orientation, kind, **lossless)), np.asarray(picture))


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("side", [(200, 260), (1600, 2200), (3000, 4000)])
def test_exif_orientation_of_a_photo_is_obeyed(side, orientation):
    picture = Image.fromarray(255 - draw(4, side))
    found = prepare(read(oriented(picture, orientation, "JPEG", quality=90)))
    assert alike(found, PLAIN[4]) > 0.97


# --- animation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gif animated", "webp animated", "png, animated", "jpeg of several pictures (MPO)"])
def test_first_frame_counts(name):
    for digit in range(10):
        prepared = prepare(sketch_of(name, digit))
        assert alike(prepared, PLAIN[digit]) > max(alike(prepared, PLAIN[(digit + k) % 10]) for k in (1, 2))


# --- MNIST's own ------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 4, 8])
def test_mnist_picture_comes_back_nearly_as_it_was(mnist, factor):
    images, _ = mnist
    likeness = []
    for image in images[:300]:
        large = Image.fromarray(image).resize((SIDE * factor, SIDE * factor), Image.Resampling.BICUBIC)
        likeness.append(alike(prepare(read(encode(large))), image / 255))
    assert np.mean(likeness) > 0.97
    assert np.quantile(likeness, 0.02) > 0.9


# --- no ink -----------------------------------------------------------------------------------------


def gradient(side: int) -> np.ndarray:
    return np.tile(np.linspace(110, 230, side), (side, 1)).astype(np.uint8)


BLANK = {
    "white": np.full((280, 280), 255, np.uint8),
    "black": np.zeros((280, 280), np.uint8),
    "grey": np.full((280, 280), 128, np.uint8),
    "one pixel": np.full((1, 1), 77, np.uint8),
    "one white pixel": np.full((1, 1), 255, np.uint8),
    "one row": np.full((1, 5000), 200, np.uint8),
    "large white": np.full((1500, 1200), 255, np.uint8),
    "a little noise": noisy(np.full((280, 280), 200.0), 3),
    "more noise": noisy(np.full((280, 280), 128.0), 6),
    "light from one side": gradient(280),
    "light from one side, large": gradient(1500),
    "light from one side and noise": noisy(gradient(280), 5),
}


@pytest.mark.parametrize("name", BLANK)
def test_blank_image_is_refused(name):
    with pytest.raises(BlankImage):
        prepare(read(encode(BLANK[name])))


@pytest.mark.parametrize("quality", [30, 80])
def test_photo_of_blank_paper_is_refused(quality):
    paper = photo(np.zeros((900, 1200), np.uint8))
    with pytest.raises(BlankImage):
        prepare(read(encode(paper, "JPEG", quality=quality)))


def test_photo_of_a_blank_sheet_on_a_table_is_refused():
    paper = on_table(photo(np.zeros((900, 1200), np.uint8)))
    with pytest.raises(BlankImage):
        prepare(read(encode(paper, "JPEG", quality=80)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_wholly_transparent_image_is_refused(kind):
    nothing = Image.new("RGBA", (280, 280), (255, 0, 0, 0))
    with pytest.raises(BlankImage):
        prepare(read(encode(nothing, kind)))


def test_uniform_grey_at_half_transparency_is_refused():
    with pytest.raises(BlankImage):
        prepare(read(encode(Image.new("RGBA", (280, 280), (90, 90, 90, 140)))))


@pytest.mark.parametrize("sigma", [8, 10, 20, 60, 200])
def test_noise_is_blank_or_read_without_an_error(sigma):
    for level in (0, 30, 128, 225, 255):
        try:
            image = prepare(read(encode(noisy(np.full((280, 280), float(level)), sigma))))
        except BlankImage:
            continue
        assert image.shape == (SIDE, SIDE)


@pytest.mark.parametrize(
    "side", [(1, 2), (2, 1), (2, 2), (3, 3), (1, 280), (280, 1), (1, 5000), (5000, 1), (70_000, 3)]
)
def test_odd_shapes_are_blank_or_read_without_an_error(side):
    rng = np.random.default_rng(0)
    for contrast in (1, 30, 255):
        picture = (rng.integers(0, 2, side) * contrast).astype(np.uint8)
        try:
            assert prepare(read(encode(picture))).shape == (SIDE, SIDE)
        except BlankImage:
            continue


def test_single_dot_is_read():
    dot = np.zeros((100, 100), np.uint8)
    dot[40:44, 60:64] = 255
    assert prepare(dot)[SIDE // 2, SIDE // 2] == 1


# --- not a picture, or a damaged one ----------------------------------------------------------------


def text_picture() -> bytes:
    image = Image.new("L", (300, 60), 255)
    ImageDraw.Draw(image).text((10, 10), "hello", font=ImageFont.load_default())
    return encode(image, "TIFF")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"7",
        b"A seven, in words.\n" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n",
        b"\x00" * 1000,
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        text_picture(),
        encode(draw(3), "ICO"),
        encode(draw(3), "PPM"),
    ],
    ids=["nothing", "a byte", "text", "svg", "pdf", "zeros", "wav", "tiff", "ico", "ppm"],
)
def test_what_is_not_a_picture_of_a_known_kind_is_refused(data):
    with pytest.raises(NotAnImage):
        read(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_truncated_file_is_refused_at_every_length(kind):
    whole = encode(photo(draw(6, 120)), kind)
    for length in sorted({*range(0, 64), *range(64, len(whole) * 9 // 10, max(1, len(whole) // 150))}):
        with pytest.raises((MalformedImage, NotAnImage)):
            prepare(read(whole[:length]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_file_cut_off_after_its_header_is_malformed(kind, share):
    whole = encode(photo(draw(6, 400)), kind)
    with pytest.raises(MalformedImage):
        read(whole[: int(len(whole) * share)])


def test_damaged_files_only_raise_app_errors():
    rng = np.random.default_rng(0)
    small = colour(draw(2, 60), (0, 0, 0), (255, 255, 255))
    originals = [encode(small, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "MPO")]
    originals += [FILES["gif animated"](1), FILES["webp animated"](1), FILES["jpeg cmyk"](1), FILES["png 16 bit"](1)]
    refused = 0
    for trial in range(400):
        data = bytearray(originals[trial % len(originals)])
        for _ in range(rng.integers(1, 12)):
            match rng.integers(4):
                case 0:
                    data[rng.integers(len(data))] = rng.integers(256)
                case 1:  # where headers are
                    data[rng.integers(min(60, len(data)))] = rng.integers(256)
                case 2:
                    del data[rng.integers(len(data)) :][: rng.integers(1, 40)]
                case 3:
                    at = rng.integers(len(data))
                    data[at:at] = rng.bytes(rng.integers(1, 40))
        try:
            prepare(read(bytes(data)))
        except AppError:
            refused += 1
    assert 100 < refused < 400  # else nothing was damaged, or nothing was read


def test_random_bytes_after_a_signature_only_raise_app_errors():
    rng = np.random.default_rng(1)
    for start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"RIFF\x40\x00\x00\x00WEBPVP8 "):
        for _ in range(40):
            with pytest.raises((MalformedImage, NotAnImage, ImageTooLarge)):
                read(start + rng.bytes(rng.integers(0, 300)))


# --- size -------------------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


@pytest.mark.parametrize(("width", "height"), [(40_000_001, 1), (6400, 6400), (10_000, 5_000), (2**31 - 1, 2**31 - 1)])
def test_picture_of_more_than_40_megapixels_is_refused(width, height):
    with pytest.raises(ImageTooLarge):
        read(png_header(width, height))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_50_megapixels_are_refused_before_they_are_decoded(kind):
    data = encode(Image.new("1" if kind in ("PNG", "BMP") else "L", (10_000, 5_000)), kind)
    start = time.perf_counter()
    with pytest.raises(ImageTooLarge):
        read(data)
    assert time.perf_counter() - start < 0.05  # decoding takes 0.1 s and more


def test_picture_of_exactly_40_megapixels_is_decoded():
    with pytest.raises(MalformedImage):  # the header passes, the pixels are missing
        read(png_header(8000, 5000))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_30_megapixels_are_read(kind):
    small = Image.fromarray(255 - draw(9, (600, 500)))
    data = encode(small.resize((6000, 5000), Image.Resampling.NEAREST), kind)
    start = time.perf_counter()
    assert alike(prepare(read(data)), PLAIN[9]) > 0.97
    assert time.perf_counter() - start < 5


PEAK = """
import re, sys
from app.imaging import read, prepare
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
before = peak()
try:
    prepare(read(sys.stdin.buffer.read()))
except Exception as e:
    assert type(e).__name__ == "BlankImage", e
print(peak() - before)
"""


def of_39_megapixels(kind: str) -> bytes:
    if kind == "one column":
        return encode(Image.new("L", (1, 39_000_000)))
    ink = np.asarray(Image.fromarray(draw(7, 500)).resize((6240, 6240), Image.Resampling.NEAREST))
    if kind == "transparent":
        return encode(on_transparent(ink, (0, 0, 0)), compress_level=1)
    return encode(Image.fromarray((ink > 99).astype(np.uint8)).convert("P"), transparency=0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["transparent", "palette with transparency", "one column"])
def test_no_picture_costs_much_memory(kind):
    """A file of 100 kB must not be able to fill a server's memory."""
    command = [sys.executable, "-c", PEAK]
    done = subprocess.run(command, cwd=BACKEND, input=of_39_megapixels(kind), capture_output=True, check=True)
    assert int(done.stdout) / 1024 < 700  # MB; 40 megapixels of 4 bytes are 160


# --- to_png -----------------------------------------------------------------------------------------


def test_png_of_fractions_is_greyscale_of_the_same_size():
    picture = Image.open(io.BytesIO(to_png(PLAIN[5])))
    assert (picture.mode, picture.size, picture.format) == ("L", (SIDE, SIDE), "PNG")
    np.testing.assert_allclose(np.asarray(picture) / 255, PLAIN[5], atol=0.51 / 255)
