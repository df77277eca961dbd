import subprocess
import sys

import pytest
from conftest import FRONTEND

from common import words


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "sketch", "0 sketches"),
        (1, "sketch", "1 sketch"),
        (2010, "sketch", "2,010 sketches"),
        (2, "file", "2 files"),
    ],
)
def test_noun_agrees_with_its_number(number, noun, text):
    assert words.count(number, noun) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.454, "45%"), (0.989, "99%"), (0.9999, "99%"), (1, "99%")])
def test_nearly_certain_is_not_certain(share, text):
    assert words.percent(share) == text


def test_gallery_does_not_load_what_only_charts_need():
    code = "import sys, gallery.review, gallery.one_by_one, gallery.archives; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=FRONTEND).returncode == 0
