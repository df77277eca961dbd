"""Sketch a digit and see what the model reads.

    uv run streamlit run app.py

The pages are in navigation.py and views/; what the Draw page asks for while the pen moves is in routes.py.
"""

from pathlib import Path

import streamlit as st

import first_paint
import routes

app = st.App(
    Path(__file__).with_name("navigation.py"),
    routes=routes.ROUTES,
    lifespan=routes.lifespan,
    middleware=first_paint.MIDDLEWARE,
)
