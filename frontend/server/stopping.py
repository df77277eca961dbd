"""A shutdown that answers every client that has connected."""

import asyncio
import signal

from uvicorn import Server

MOMENT_S = 0.5


def stop_in_two_steps(server: Server) -> None:
    """Call it when uvicorn starts, which would otherwise drop connections whose request it has not read yet.

    First it closes the listening sockets, so that new clients find another replica; a moment later it stops.
    """

    def begin() -> None:
        for listener in server.servers:
            listener.close()
        loop.call_later(MOMENT_S, server.handle_exit, signal.SIGTERM, None)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, begin)
