"""What is refused before it is decoded, and that real pictures are not."""

import io
import time
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageCms

from app import screening
from app.errors import BlankImage, ImageTooLarge, PictureTooComplex
from app.imaging import read, read_drawing
from tests import hostile
from tests.drawings import BLACK, WHITE, colour, draw, encode, photo, seven
from tests.hostile import MEGABYTE, chunk, png
from tests.scenes import ALL, FILES

REFUSED = [name for name in hostile.HOSTILE if not name.startswith(("39", "100 MB", "as many", "palette", "Photoshop"))]


@pytest.mark.parametrize("name", REFUSED)
def test_what_only_an_attacker_sends_is_refused_within_milliseconds(name):
    data = hostile.HOSTILE[name]()
    start = time.process_time()
    with pytest.raises(PictureTooComplex):
        screening.check(data)
    assert time.process_time() - start < 0.5  # a few ms, but for filler


@pytest.mark.parametrize("name", ALL)
def test_every_usual_kind_of_picture_passes(name):
    screening.check(ALL[name](4))


# --- real photos and screenshots --------------------------------------------------------------------


def phone(**options) -> bytes:
    """A progressive JPEG with EXIF, a thumbnail in it, and a colour profile."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A maker of phones", 1
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encode(photo(draw(3, (900, 1200))), "JPEG", exif=exif, icc_profile=profile, **options)


def with_app_segments(count: int) -> bytes:
    """As a phone writes a long XMP, with the depth of each pixel: in segments of 64 kB."""
    jpeg = phone(quality=80)
    return jpeg[:2] + (b"\xff\xe1\xff\xff" + b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_498)) * count + jpeg[2:]


def in_small_pieces(side: int) -> bytes:
    """A PNG of noise with its pixels in chunks of 8 kB, as libpng writes them."""
    rows = np.random.default_rng(0).integers(0, 256, (side, side + 1), dtype=np.uint8)
    rows[:, 0] = 0
    pixels, whole = zlib.compress(rows.tobytes(), 1), png(side=side)
    pieces = b"".join(chunk(b"IDAT", pixels[at : at + 8192]) for at in range(0, len(pixels), 8192))
    return whole[: whole.index(b"IDAT") - 4] + pieces + chunk(b"IEND")


REAL = {
    "phone": lambda: phone(quality=90),
    "phone, progressive": lambda: phone(quality=90, progressive=True),
    "depth of each pixel": lambda: with_app_segments(130),
    "two pictures": lambda: FILES["jpeg of several pictures (MPO)"](3),
    "a video after the picture": lambda: phone() + np.random.default_rng(0).bytes(5 * MEGABYTE),
    "zeros after the picture": lambda: phone() + bytes(MEGABYTE),
    "cmyk, progressive": lambda: encode(colour(draw(3), BLACK, WHITE).convert("CMYK"), "JPEG", progressive=True),
    "40 megapixels of cmyk, progressive": lambda: encode(Image.new("CMYK", (6300, 6300)), "JPEG", progressive=True),
    "restart markers": lambda: encode(photo(draw(3, (900, 1200))), "JPEG", restart_marker_blocks=1),
    "screenshot": lambda: in_small_pieces(3000),
    "texts": lambda: png(*[chunk(b"tEXt", b"Comment\0" + b"x" * 1000)] * 50),
}


@pytest.mark.parametrize("name", REAL)
def test_real_photo_or_screenshot_passes(name):
    data = REAL[name]()
    screening.check(data)
    Image.open(io.BytesIO(data)).load()


# --- what is read in the event loop -----------------------------------------------------------------


def canvas(side: int = 400) -> bytes:
    """What the page sends."""
    return encode(colour(draw(3, side), WHITE, BLACK).convert("RGBA"))


@pytest.mark.parametrize("data", [seven(), canvas(), FILES["png palette"](3), FILES["png 16 bit"](3)])
def test_small_plain_png_is_quick(data):
    assert screening.is_quick(data)


@pytest.mark.parametrize(
    "data",
    [
        hostile.png()[:20],
        canvas(600),
        encode(np.random.default_rng(0).integers(0, 256, (440, 440, 4), dtype=np.uint8)),
        FILES["png, animated"](3),
        *[FILES[name](3) for name in ("jpeg", "webp", "gif", "bmp")],
        png(chunk(b"zTXt", b"x\0\0")),
        png(chunk(b"eXIf", bytes(1000))),
        png(*[chunk(b"IDAT")] * 70),
    ],
)
def test_everything_else_is_not(data):
    assert not screening.is_quick(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        canvas(600),
        *[FILES[name](3) for name in ("png palette", "png 16 bit", "png, animated", "jpeg")],
        png(chunk(b"tRNS", b"\0\0")),
        png(chunk(b"eXIf", bytes(100))),
    ],
)
def test_png_with_more_than_pixels_is_not_plain(data):
    assert not screening.plain_channels(data)


@pytest.mark.parametrize("data", [b"", b"hello"])
def test_file_that_is_not_a_picture_is_refused_without_a_process(data):
    assert screening.is_quick(data)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_what_is_quick_is_read_quickly(mode):
    noise = np.random.default_rng(0).integers(0, 2, (440, 440), dtype=np.uint8) * 255
    data = encode(Image.fromarray(noise).convert(mode))
    assert screening.is_quick(data)
    start = time.process_time()
    with suppress(BlankImage):
        read(data)
    assert time.process_time() - start < 0.1  # 20 ms


@pytest.mark.parametrize("kind", ["noise", "comb"])
def test_specks_in_which_finding_the_digit_takes_long_are_read_elsewhere(kind):
    """At full size they look like a drawing, reduced to 280×280 like a photo."""
    specks = np.random.default_rng(0).random((440, 440)) < 0.3
    if kind == "comb":
        specks = np.tile([True, True, False, False], (440, 110))
        specks[:3] = True
    data = encode(Image.fromarray(specks.astype(np.uint8) * 255))
    assert screening.is_quick(data)
    assert read_drawing(data) is None


# --- size -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_above_40_megapixels_is_refused_before_its_decoder_takes_the_memory(lossless):
    data = bytearray(encode(Image.new("RGB", (16, 16)), "WEBP", lossless=lossless))
    if lossless:
        data[21:25] = (16_000 | 16_000 << 14 | int.from_bytes(data[21:25], "little") & 0xF000_0000).to_bytes(
            4, "little"
        )
    else:
        data[26:30] = (16_000).to_bytes(2, "little") * 2
    with pytest.raises(ImageTooLarge):
        screening.check(bytes(data))
