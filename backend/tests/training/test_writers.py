"""Two collections of pen strokes, made here in their own formats, and the real ones where they are found."""

import threading
import zipfile
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.drawings import STROKES
from training import writers
from training.cli import Unusable
from training.strokes import gather_real, make_real
from training.writers import (
    PENDIGITS,
    UJI,
    checksum,
    existing_or_known,
    find_strokes,
    read_strokes,
    read_uji,
    split_writers,
)


def as_pendigits(count: int) -> str:
    """Ten digits by each of this many writers, y growing upwards."""
    lines = []
    for number in range(10 * count):
        digit, writer = number % 10, number // 10 + 1
        lines += [f'.SEGMENT DIGIT {number} ? "{digit}"', f".COMMENT {digit} {writer} 100"]
        for stroke in STROKES[digit]:
            lines += [".PEN_DOWN", *(f" {300 * x:.0f}  {-300 * y:.0f}" for x, y in stroke), ".PEN_UP"]
    return "\n".join(lines) + "\n"


def as_uji(labels: str, numbers: range) -> str:
    lines = ["// ASCII char: 0"]
    for number in numbers:
        for label in labels:
            lines += [f"WORD {label} {'trn' if number % 2 else 'tst'}_UPV_W{number:02}-01"]
            strokes = STROKES[int(label)] if label.isdigit() else STROKES[0]
            lines += [f"  NUMSTROKES {len(strokes)}"]
            lines += ["  POINTS 9 # " + " ".join(f"{900 * x:.0f} {900 * y:.0f}" for x, y in s) for s in strokes]
    return "\n".join(lines) + "\n"


def compress(data: bytes) -> bytes:
    """As `compress` packs: here every byte as a code of 9 bits, the table cleared (256) before codes grow longer."""
    bits, packed = 0, bytearray(b"\x1f\x9d\x90")
    held = 0
    for start in range(0, len(data), 247):
        part = [*data[start : start + 247], *([256] if start + 247 < len(data) else [])]
        for code in part:
            held, bits = held | code << bits, bits + 9
            while bits >= 8:
                packed.append(held & 255)
                held, bits = held >> 8, bits - 8
    return bytes(packed + (bytes([held]) if bits else b""))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Eight writers of ten digits in each collection, and in UJI's also letters and other writers."""
    (tmp_path / PENDIGITS).write_text(as_pendigits(8))
    (tmp_path / UJI).write_text(as_uji("0123456789a", range(10, 25)))
    return tmp_path


@pytest.fixture
def uci(folder, tmp_path_factory, monkeypatch) -> Iterator[Path]:
    """A server that has the archives as UCI does; afterwards the checksum is that of `folder`."""
    root = tmp_path_factory.mktemp("uci")
    for name, (path, member) in writers.ARCHIVES.items():
        content = (folder / name).read_bytes()
        archive = root / path.replace("%2B", "+")
        archive.parent.mkdir()
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr(member, compress(content) if member.endswith(".Z") else content)
    handler = partial(SimpleHTTPRequestHandler, directory=root)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(writers, "UCI", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")  # whatever proxy this machine uses
        monkeypatch.setattr(writers, "SHA256", checksum(read_strokes(folder)))
        yield root
        server.shutdown()


def test_digits_of_both_collections_are_found_with_their_writers(folder):
    samples = read_strokes(folder)
    assert Counter(sample.writer.split("-")[0] for sample in samples) == {"pendigits": 80, "uji": 80}
    assert {sample.writer for sample in samples} >= {"pendigits-1", "pendigits-8", "uji-17", "uji-24"}
    assert set(Counter(sample.label for sample in samples).values()) == {16}


def test_of_uji_only_writers_17_to_47_are_read(tmp_path):
    (tmp_path / UJI).write_text(as_uji("7x", range(1, 61)))
    samples = read_uji(tmp_path / UJI)
    assert [sample.writer for sample in samples] == [f"uji-{number}" for number in range(17, 48)]
    np.testing.assert_allclose(samples[0].strokes[0], 900 * np.array(STROKES[7][0]), atol=1)


def test_both_collections_have_the_same_way_up(folder):
    seven = [sample.strokes[0] for sample in read_strokes(folder) if sample.label == "7"]
    assert all(stroke[0, 1] < stroke[-1, 1] for stroke in seven)


def test_whole_writers_are_held_out_and_always_the_same_ones(folder):
    samples = read_strokes(folder)
    learned, held_out = split_writers(samples)
    names = [{sample.writer for sample in part} for part in (learned, held_out)]
    assert len(learned) + len(held_out) == len(samples)
    assert not names[0] & names[1]
    assert Counter(name.split("-")[0] for name in names[1]) == {"pendigits": 6, "uji": 6}
    assert {sample.writer for sample in split_writers(samples[::-1])[1]} == names[1]


def test_nothing_is_drawn_after_those_held_out(folder):
    """Everyone but them writes upright bars, whatever the digit."""
    _, held_out = split_writers(read_strokes(folder))
    names = {sample.writer for sample in held_out}
    parts = as_pendigits(8).split(".SEGMENT")[1:]
    kept = [part for part in parts if f"pendigits-{part.splitlines()[1].split()[2]}" in names]
    others = [part for part in parts if part not in kept]
    bars = [f"{part.split('.PEN_DOWN')[0]}.PEN_DOWN\n 0 0\n 0 300\n.PEN_UP\n" for part in others]
    (folder / PENDIGITS).write_text("".join(f".SEGMENT{part}" for part in bars + kept))
    (folder / UJI).write_text("")
    read_strokes.cache_clear()
    made = make_real(40, 0, folder)
    assert made.images.amax(1).bool().sum(1).max() < 16  # columns with ink: a bent bar is narrow, and a zero is not


def test_strokes_are_downloaded_once_and_give_the_same(folder, uci, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("downloaded") / "strokes"
    found = find_strokes(elsewhere)
    assert checksum(found) == checksum(read_strokes(folder))
    assert sorted(path.name for path in elsewhere.iterdir()) == [PENDIGITS, UJI]
    for archive in uci.rglob("*.zip"):
        archive.unlink()
    assert checksum(find_strokes(elsewhere)) == checksum(found)


def test_download_goes_by_the_proxies_that_are_set_now(uci, tmp_path, monkeypatch):
    """Other scripts that run in this process may have set others before."""
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(Unusable, match=r"cannot be downloaded from UCI: .*refused"):
        find_strokes(tmp_path / "later")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert find_strokes(tmp_path / "later")


def test_download_that_fails_is_one_sentence(uci, tmp_path):
    for archive in uci.rglob("*.zip"):
        archive.write_bytes(b"not an archive")
    with pytest.raises(Unusable, match=f"{PENDIGITS} is missing .* and cannot be downloaded from UCI"):
        find_strokes(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_other_strokes_than_those_published_are_refused(folder):
    with pytest.raises(Unusable, match="not those that were published"):
        find_strokes(folder)


def test_same_seed_draws_the_same_after_real_writers(folder):
    first, again, other = (make_real(40, seed, folder) for seed in (1, 1, 2))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert first.labels.tolist() == [*range(10)] * 4
    assert len({image.numpy().tobytes() for image in first.images}) == 40


def test_drawings_after_real_writers_are_read(folder, model):
    made = make_real(200, 0, folder)
    answers = model.logits(made.images.numpy().astype(np.float32) / 255).argmax(1)
    assert (answers == made.labels.numpy()).mean() > 0.85


def test_training_goes_on_without_strokes_and_says_what_that_costs(folder, monkeypatch, caplog):
    monkeypatch.setenv("STROKES_DIR", str(folder))  # not the published ones
    drawn, held_out = gather_real(100, 0)
    assert len(drawn) == len(held_out) == 0
    assert "not those that were published" in caplog.text
    assert "half a point on strangers' digits" in caplog.text


def test_published_strokes_are_those_of_61_writers():
    try:
        samples = read_strokes(writers.strokes_directory())
    except OSError:
        pytest.skip("no strokes in STROKES_DIR: run train.py, which downloads them")
    assert checksum(samples) == writers.SHA256
    assert len({sample.writer for sample in samples}) == 61
    assert [len(part) for part in split_writers(samples)] == [6494, 1620]


# --- named on the command line ------------------------------------------------------------------------


def test_file_that_is_not_here_is_found_among_the_strokes(folder, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("STROKES_DIR", str(folder))
    monkeypatch.chdir(elsewhere)
    assert existing_or_known(PENDIGITS) == folder / PENDIGITS
    (elsewhere / PENDIGITS).write_text("mine")
    assert existing_or_known(PENDIGITS).read_text() == "mine"
    with pytest.raises(ArgumentTypeError, match=r"nothing\.txt is not there"):
        existing_or_known("nothing.txt")
