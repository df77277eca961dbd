"""Sketch a digit and see what the model reads.

    uv run streamlit run app.py

The pages are in navigation.py and views/.
"""

from pathlib import Path

import streamlit as st

import first_paint

app = st.App(Path(__file__).with_name("navigation.py"), middleware=first_paint.MIDDLEWARE)
