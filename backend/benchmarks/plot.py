"""The figures of benchmark.py as a picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen needed
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

PANELS = [
    ("requests_per_s", "requests a second"),
    ("p50_ms", "p50, ms"),
    ("p99_ms", "p99, ms"),
    ("cpu_ms", "CPU a request, ms"),
]
FACTS = [("resident_mb", "largest process, MB"), ("startup_s", "start-up, s")]


def plot(cells: list, path: Path) -> None:
    """A row for each number of workers; bars by clients, logarithmic."""
    rows = sorted({cell.workers for cell in cells})
    names = list(dict.fromkeys(map(_name, cells)))
    colours = dict(zip(names, plt.get_cmap("tab10").colors, strict=False))
    columns = len(PANELS) + len(FACTS)
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(3.6 * columns, 3.4 * len(rows) + 0.6), layout="constrained", squeeze=False
    )
    for row, workers in zip(axes, rows, strict=True):
        some = [cell for cell in cells if cell.workers == workers]
        for axis, (field, title) in zip(row, PANELS, strict=False):
            _by_clients(axis, some, field, colours)
            axis.set(title=title, yscale="log", xlabel="clients")
        for axis, (field, title) in zip(row[len(PANELS) :], FACTS, strict=True):
            _by_server(axis, some, field, colours)
            axis.set(title=title)
        row[0].set_ylabel(f"{workers} worker{'s' * (workers > 1)}")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _name(cell) -> str:
    return f"{cell.server}: {cell.picture}" if cell.picture else cell.server


def _by_clients(axis: Axes, cells: list, field: str, colours: dict) -> None:
    clients = sorted({cell.clients for cell in cells})
    width = 0.8 / len(colours)
    for n, (name, colour) in enumerate(colours.items()):
        values = {cell.clients: getattr(cell, field) for cell in cells if _name(cell) == name}
        places = np.arange(len(clients)) + (n - len(colours) / 2 + 0.5) * width
        axis.bar(places, [values[number] for number in clients], width, color=colour, label=name)
    axis.set_xticks(range(len(clients)), clients)


def _by_server(axis: Axes, cells: list, field: str, colours: dict) -> None:
    for n, (name, colour) in enumerate(colours.items()):
        axis.bar(n, max(getattr(cell, field) for cell in cells if _name(cell) == name), color=colour)
    axis.set_xticks([])
