from pathlib import Path

import numpy as np
import pytest

from app.imaging import prepare
from tests.drawings import STROKES
from training.unipen import draw_strokes, read_unipen


def write_unipen(path: Path, digits: list[int], up: bool = False) -> Path:
    """The tests' own skeletons as a tablet would have recorded them, a thousand units high."""
    lines = [".VERSION 1.0", *([".Y_AXIS UP"] if up else []), ".HIERARCHY CHARACTER"]
    for number, digit in enumerate(digits):
        lines.append(f'.SEGMENT CHARACTER {number} ? "{digit}"')
        for stroke in STROKES[digit]:
            points = [f"{1000 * x:.0f} {1000 * (-y if up else y):.0f}" for x, y in stroke]
            lines += [".PEN_DOWN", *points, ".PEN_UP", ".DT 100"]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_character_is_found_with_its_strokes(tmp_path):
    samples = read_unipen(write_unipen(tmp_path / "pen.txt", list(range(10))))
    assert [sample.label for sample in samples] == list("0123456789")
    assert [len(sample.strokes) for sample in samples] == [len(STROKES[digit]) for digit in range(10)]
    np.testing.assert_allclose(samples[7].strokes[0], 1000 * np.array(STROKES[7][0]), atol=1)


def test_axis_that_grows_upwards_is_turned(tmp_path):
    down, up = (read_unipen(write_unipen(tmp_path / f"{up}.txt", [7], up))[0].strokes[0] for up in (False, True))
    np.testing.assert_array_equal(down, up)


def test_pendigits_are_known_to_grow_upwards(tmp_path):
    plain = read_unipen(write_unipen(tmp_path / "pen.txt", [7]))[0].strokes[0]
    pendigits = read_unipen(write_unipen(tmp_path / "pendigits-orig.txt", [7]))[0].strokes[0]
    np.testing.assert_array_equal(pendigits, plain * [1, -1])


def test_drawn_strokes_are_read(tmp_path, model):
    samples = read_unipen(write_unipen(tmp_path / "pen.txt", list(range(10))))
    for pen in (8, 18, 28):
        images = np.stack([prepare(draw_strokes(sample.strokes, pen=pen)) for sample in samples])
        assert (model.logits(images).argmax(1) == range(10)).sum() >= 9


@pytest.mark.parametrize(
    "text", ["", "A seven, in words.\n", '.SEGMENT CHARACTER 0 ? "7"\n', ".PEN_DOWN\n1 2\n.PEN_UP\n"]
)
def test_file_without_characters_is_refused(tmp_path, text):
    (tmp_path / "pen.txt").write_text(text)
    with pytest.raises(ValueError, match=r"pen\.txt"):
        read_unipen(tmp_path / "pen.txt")


def test_single_point_is_a_dot(tmp_path):
    (tmp_path / "pen.txt").write_text('.SEGMENT CHARACTER 0 ? "1"\n.PEN_DOWN\n5 5\n.PEN_UP\n')
    (dot,) = read_unipen(tmp_path / "pen.txt")
    assert draw_strokes(dot.strokes).any()
