"""Load by wrk (https://github.com/wg/wrk), which takes far less CPU than any server here."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from training.cli import Unusable

LATEST_S = 10  # after which an answer counts as none

SCRIPT = """
local function read(path)
    local file = assert(io.open(path, "rb"))
    local body = file:read("*a")
    file:close()
    return body
end

if "{type}" ~= "" then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "{type}"
    wrk.body = read("{body}")
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '\\nRESULT {{"answers": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}}\\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class Request(NamedTuple):
    """A GET, or with a type a POST of the body."""

    path: str
    type: str = ""
    body: bytes = b""


class Load(NamedTuple):
    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int


def find() -> str:
    """The program. Raises Unusable."""
    if path := shutil.which("wrk"):
        return path
    raise Unusable("wrk, which makes the load, is not installed: apt install wrk, or brew install wrk")


def run(port: int, request: Request, clients: int, seconds: int) -> Load:
    """This many clients on 127.0.0.1, each of whom asks again as soon as it is answered."""
    with tempfile.TemporaryDirectory() as folder:
        body, script = Path(folder, "body"), Path(folder, "script.lua")
        body.write_bytes(request.body)
        script.write_text(SCRIPT.format(type=request.type, body=body))
        url = f"http://127.0.0.1:{port}{request.path}"
        command = [find(), "--threads", "1", "--connections", clients, "--duration", f"{seconds}s"]
        command += ["--timeout", f"{LATEST_S}s", "--script", script, url]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise Unusable(f"wrk: {done.stderr.strip()}")
    return Load(**json.loads(done.stdout.rpartition("RESULT ")[2]))
