"""Chromium, as the tests start it."""

import os
import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


def launch(playwright: Playwright) -> Browser:
    """CHROMIUM, one on the PATH, or playwright's own. Raises playwright's Error where there is none.

    Of the asynchronous playwright: to be awaited.
    """
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    return playwright.chromium.launch(executable_path=path, args=FLAGS.split())
