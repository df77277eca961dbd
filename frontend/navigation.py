"""The pages. Another one is a file in views/ and a line in PAGES; app.py starts them."""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
PAGES = [
    st.Page("views/draw.py", title="Draw", icon=":material/draw:", default=True),
    st.Page("views/gallery.py", title="Gallery", icon=":material/photo_library:", url_path="gallery"),
    st.Page("views/statistics.py", title="Statistics", icon=":material/bar_chart:", url_path="statistics"),
    st.Page("views/models.py", title="Models", icon=":material/account_tree:", url_path="models"),
]

st.set_page_config(page_icon="✏️")  # no layout: style.css sets the width, once, while the page is still empty
st.html(HERE / "style.css")
page = st.navigation(PAGES, position="hidden")

with st.container(horizontal=True, vertical_alignment="center", key="header"):
    st.html('<div class="brand">Digit recogniser</div>', width="content")
    with st.container(horizontal=True, gap="small", key="pages", horizontal_alignment="right"):
        for each in PAGES:
            st.page_link(each)

page.run()
