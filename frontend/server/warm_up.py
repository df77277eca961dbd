"""Imports what the views need before somebody opens one: pandas and Altair alone take seconds.

In a thread, because Draw, the first page, needs none of this and should not wait.
"""

import gc
import logging
from importlib import import_module
from threading import Thread

MODULES = ["common.charts", "gallery.review", "gallery.one_by_one", "gallery.archives", "pyarrow"]


def start() -> None:
    Thread(target=_import, name="warm-up", daemon=True).start()


def _import() -> None:
    for name in MODULES:
        try:
            import_module(name)
        except Exception:  # the view will show it, too
            logging.getLogger(__name__).exception("cannot import %s", name)
    gc.collect()
    gc.freeze()  # or each full search for garbage takes 70 ms, in which nobody is served
