"""What a program and all that it started use, from /proc. Linux alone."""

import os
import re
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")  # a second
USER, CHILDREN_SYSTEM = 11, 15  # fields of /proc/PID/stat after the name


def tree(pid: int) -> list[int]:
    """The process and its descendants, those of each thread, too."""
    found = [pid]
    for parent in found:
        for task in _lists(parent):
            found += map(int, task.split())
    return found


def _lists(pid: int) -> list[str]:
    try:
        return [(task / "children").read_text() for task in (PROC / str(pid) / "task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return []


def cpu_seconds(pid: int) -> float:
    """That all of them took since they began, with children that have ended."""
    return sum(sum(map(int, _stat(one)[USER:CHILDREN_SYSTEM])) for one in tree(pid)) / TICKS


def _stat(pid: int) -> list[str]:
    text = _read(pid, "stat")
    return text.rpartition(")")[2].split()


def resident_mb(pid: int) -> float:
    """Of this process alone; 0 when it has ended."""
    return _memory(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    return _memory(pid, "VmHWM")


def command(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ").strip()


def _memory(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", _read(pid, "status"))
    return int(found[1]) / 1024 if found else 0.0


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
