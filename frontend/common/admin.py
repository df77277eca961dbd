"""Signing in with the admin token, to review and promote. The token stays in the session: in no URL, log or page."""

from collections.abc import Callable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

import api

TOKEN, ENTRY, NOTICE = "admin-token", "admin-entry", "admin-notice"
NO_LONGER = {"TokenMissing", "WrongToken", "AdminDisabled"}  # the backend's errors for a token that is no longer right

SESSIONS: set[str] = set()  # the ids of those that are signed in, or were when they ended; for server/uploads.py


def token() -> str | None:
    """None for visitors."""
    return st.session_state.get(TOKEN)


def popover(label: str, inside: Callable[[], None] | None = None) -> None:
    """A popover named `label` to sign in and out; when signed in, it shows `inside`, too."""
    # two keys, so that signing in closes it
    icon, key = ("lock_open", "door-open") if token() else ("lock", "door")
    with st.popover(label, icon=f":material/{icon}:", key=key):
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
    st.session_state[ENTRY] = ""  # do not keep it in the field
    st.session_state[NOTICE] = None
    try:
        if entry:
            api.check_token(entry)
            st.session_state[TOKEN] = entry
            SESSIONS.add(_session())
    except api.BackendError as e:
        st.session_state[NOTICE] = str(e)


def sign_out(notice: str | None = None) -> None:
    st.session_state.pop(TOKEN, None)
    SESSIONS.discard(_session())
    st.session_state[NOTICE] = notice


def _session() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else ""


def refused(error: api.BackendError) -> bool:
    """Whether the token was refused; if so, signs out."""
    if error.name not in NO_LONGER:
        return False
    sign_out(f"{error} You are signed out.")
    return True
