"""Who may review and promote: whoever knows the admin token. It stays in the session: in no URL, log or page."""

from collections.abc import Callable

import streamlit as st

import api

TOKEN, ENTRY, NOTICE = "admin-token", "admin-entry", "admin-notice"
NO_LONGER = {"TokenMissing", "WrongToken", "AdminDisabled"}  # what the backend says when the token has changed


def token() -> str | None:
    """None: a visitor."""
    return st.session_state.get(TOKEN)


def door(label: str, inside: Callable[[], None] | None = None) -> None:
    """What it takes to sign in and out, in a popover that `label` opens; and, signed in, what is `inside`."""
    with st.popover(label, icon=":material/lock_open:" if token() else ":material/lock:", key="door"):
        if token():
            if inside:
                inside()
            st.button("Sign out", on_click=sign_out, icon=":material/logout:", key="sign-out")
            return
        with st.form("sign-in", border=False):
            st.text_input("Admin token", type="password", autocomplete="current-password", key=ENTRY)
            st.form_submit_button("Sign in", on_click=_sign_in, type="primary")
        if notice := st.session_state.get(NOTICE):
            st.warning(notice, icon=":material/info:")
        else:
            st.caption("It is ADMIN_TOKEN in the server’s .env.")


def _sign_in() -> None:
    entry = st.session_state[ENTRY].strip()
    st.session_state[ENTRY] = ""  # the field keeps nothing
    st.session_state[NOTICE] = None
    try:
        if entry:
            api.check_token(entry)
            st.session_state[TOKEN] = entry
    except api.BackendError as e:
        st.session_state[NOTICE] = str(e)


def sign_out(notice: str | None = None) -> None:
    st.session_state.pop(TOKEN, None)
    st.session_state[NOTICE] = notice


def refused(error: api.BackendError) -> bool:
    """Whether it was the token that is no longer right; then they are a visitor again."""
    if error.name not in NO_LONGER:
        return False
    sign_out(f"{error} You are signed out.")
    return True
