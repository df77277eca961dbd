"""The page's server is stopped while somebody is connected."""

import signal
import socket
import sys
import time
from pathlib import Path

from conftest import FRONTEND, Server

REQUEST = b"GET /_stcore/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_who_was_connected_before_the_stop_is_answered_and_nobody_else_is(tmp_path: Path):
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "{port}"]
    page = Server(command, FRONTEND, {}, "/_stcore/health", tmp_path / "log")
    page.start()
    try:
        with socket.create_connection(("127.0.0.1", page.port), timeout=10) as connected:
            time.sleep(0.2)  # so that it has been accepted
            page.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 5
            while page.answers():
                assert time.monotonic() < deadline
            connected.sendall(REQUEST)
            assert connected.recv(1000).startswith(b"HTTP/1.1 200")
        assert page.process.wait(20) in (0, -signal.SIGTERM)
    finally:
        page.stop()
