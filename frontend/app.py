"""The web server: pages, and the routes that the Draw page's script calls.

    uv run streamlit run app.py

The pages are in navigation.py and views/, the routes in server/routes.py.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from server import connections, routes, stopping, warm_up
from server.compression import Compression
from server.connections import Sockets
from server.first_paint import FirstPaint
from server.guard import Guard
from server.uploads import Uploads


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    connections.raise_file_limit()
    warm_up.start()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(routes.lifespan(app))
        if server := connections.find_server():
            stopping.stop_in_two_steps(server)
            for work in (connections.close_waiting(server), connections.return_memory()):
                stack.callback(asyncio.create_task(work).cancel)
        yield


app = st.App(
    Path(__file__).with_name("navigation.py"),
    routes=routes.ROUTES,
    lifespan=lifespan,
    middleware=[Middleware(each) for each in (Guard, Sockets, Uploads, FirstPaint, Compression)],
)
