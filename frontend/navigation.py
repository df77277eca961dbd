"""The pages. Another one is a file in views/ and a line in PAGES; app.py starts them."""

import streamlit as st

PAGES = [
    st.Page("views/draw.py", title="Draw", icon=":material/draw:", default=True),
    st.Page("views/gallery.py", title="Gallery", icon=":material/photo_library:", url_path="gallery"),
    st.Page("views/statistics.py", title="Statistics", icon=":material/bar_chart:", url_path="statistics"),
    st.Page("views/models.py", title="Models", icon=":material/account_tree:", url_path="models"),
]

page = st.navigation(PAGES, position="hidden")
st.set_page_config(page_title=f"{page.title} · Digit recogniser", page_icon="✏️", layout="wide")

with st.container(horizontal=True, vertical_alignment="center", key="header"):
    st.html('<div class="brand">Digit recogniser</div>', width="content")
    with st.container(horizontal=True, gap="small", key="pages", horizontal_alignment="right"):
        for each in PAGES:
            st.page_link(each)

page.run()
