"""The Draw page. Its script, in draw/, does everything."""

from functools import cache
from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent.parent / "draw"
START = """
const pages = new WeakMap();
export default function ({ parentElement }) {
  if (!pages.has(parentElement)) {
    const script = import(`${location.origin}/page/script/main.js`);
    pages.set(parentElement, script.then(({ mount }) => mount(parentElement)));
  }
  return () => {
    pages.get(parentElement)?.then((stop) => stop());
    pages.delete(parentElement);
  };
}
"""


@cache
def component():
    """Created on first use, because it needs Streamlit's runtime."""
    html, css = ((HERE / name).read_text(encoding="utf-8") for name in ("page.html", "draw.css"))
    return st.components.v2.component("draw", html=html, css=css, js=START, isolate_styles=False)


component()(key="draw")
