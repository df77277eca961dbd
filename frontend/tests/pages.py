"""What a page under test says, and pressing its buttons."""

import json
import re

from streamlit.testing.v1 import AppTest


def text(page: AppTest) -> str:
    """All of it, in words."""
    html = " ".join(element.proto.body for element in page.get("html") if "<style>" not in element.proto.body)
    others = [element.value for element in (*page.markdown, *page.warning, *page.info, *page.toast, *page.subheader)]
    return " ".join(f"{re.sub(r'<[^>]+>', ' ', html)} {' '.join(others)}".split())


def tiles(page: AppTest) -> list[str]:
    """The sketches of the gallery, each as HTML."""
    return [
        f"<figure{tile}"
        for component in page.get("bidi_component")
        for tile in json.loads(component.proto.json or component.proto.mixed.json)["html"].split("<figure")[1:]
    ]


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def keys(page: AppTest) -> set[str]:
    return {button.key for button in page.button}
