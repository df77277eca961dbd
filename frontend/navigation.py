"""The pages. To add one, add a file to views/ and a line to PAGES."""

import streamlit as st

# by icon: as the page's own, Streamlit would fetch it from fonts.gstatic.com, too, for the browser's tab
PAGES = {
    ":material/draw:": st.Page("views/draw.py", title="Draw", default=True),
    ":material/photo_library:": st.Page("views/gallery.py", title="Gallery", url_path="gallery"),
    ":material/bar_chart:": st.Page("views/statistics.py", title="Statistics", url_path="statistics"),
    ":material/account_tree:": st.Page("views/models.py", title="Models", url_path="models"),
}

page = st.navigation(list(PAGES.values()), position="hidden")
st.set_page_config(page_title=f"{page.title} · Digit recogniser", page_icon="✏️", layout="wide")

with st.container(horizontal=True, vertical_alignment="center", key="header"):
    st.html('<div class="brand">Digit recogniser</div>', width="content")
    with st.container(horizontal=True, gap="small", key="pages", horizontal_alignment="right"):
        for icon, each in PAGES.items():
            st.page_link(each, icon=icon)

page.run()
