"""What the views need is imported at start, behind the first page's back."""

import subprocess
import sys

import pytest
from conftest import FRONTEND

SCRIPT = """
import gc, sys, time
from server import warm_up
assert "pandas" not in sys.modules
warm_up.start()
while not {"pandas", *warm_up.MODULES} <= set(sys.modules):
    time.sleep(0.05)
while not gc.get_freeze_count():
    time.sleep(0.05)
"""


@pytest.mark.long
def test_views_find_what_they_need_imported():
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=FRONTEND, check=True, timeout=60)
