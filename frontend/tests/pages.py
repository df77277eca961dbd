"""What a page under test says."""

import re

from streamlit.testing.v1 import AppTest


def text(page: AppTest) -> str:
    """All of it, in words."""
    html = " ".join(element.proto.body for element in page.get("html") if "<style>" not in element.proto.body)
    others = [element.value for element in (*page.markdown, *page.warning, *page.subheader)]
    return " ".join(f"{re.sub(r'<[^>]+>', ' ', html)} {' '.join(others)}".split())
