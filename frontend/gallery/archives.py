"""Export of sketches as a ZIP; import from a ZIP, a folder or many pictures."""

import io
import zipfile
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import streamlit as st

import api
from common import admin, pieces
from common.words import count
from schemas import Imported

MAX_MB = 100  # as in the backend
TYPES = ["zip", "png", "jpg", "jpeg", "webp", "gif", "bmp"]
TAKEN = """
    <p>Any of these, up to 100 MB:</p>
    <ul>
      <li>a <b>ZIP that was exported here</b>: is restored exactly;</li>
      <li>a <b>folder, or a ZIP of one</b>, whose pictures are sorted by digit: <code>2/anna.png</code>,
        <code>7/bert.jpg</code>, and <code>none/house.png</code> for what is not a digit;</li>
      <li><b>pictures</b> whose names begin with their digit: <code>7-anna.jpg</code>, <code>none-house.png</code>.</li>
    </ul>
    <p>PNG, JPEG, WebP, GIF or BMP. Nothing is stored before you have seen what was found.</p>"""


@dataclass
class Import:
    """The files chosen for import. Its methods are the buttons' callbacks."""

    archive: bytes | None = None
    found: Imported | None = None  # its contents, once inspected
    turns: int = 0  # part of the upload widgets' keys: new keys empty them
    notice: str | None = None

    def take(self, source: str) -> None:
        """Inspect the files of an upload widget, and empty it."""
        files = st.session_state.get(f"{source}-{self.turns}")
        if not files:  # called again for files that were taken already
            return
        self.turns += 1
        self.drop()
        try:
            self.archive = pack([(file.name, file.getvalue()) for file in files])
            self.found = api.import_archive(self.archive, admin.token() or "", dry_run=True)
        except (api.BackendError, ValueError) as e:
            self.refuse(e)

    def store(self) -> None:
        if not self.archive:  # the second click of a double click
            return
        try:
            done = api.import_archive(self.archive, admin.token() or "")
        except api.BackendError as e:
            return self.refuse(e)
        here = f" {count(done.skipped)} had been here already." if done.skipped else ""
        self.drop()
        self.notice = f"{count(done.imported)} imported.{here}"

    def drop(self) -> None:
        self.archive = self.found = self.notice = None

    def refuse(self, error: Exception) -> None:
        self.drop()
        if not (isinstance(error, api.BackendError) and admin.refused(error)):
            self.notice = f"Nothing was imported. {error}"


def pack(files: list[tuple[str, bytes]]) -> bytes:
    """The only file, if it is a ZIP, or a new ZIP of all of them. Raises ValueError."""
    zips = [data for name, data in files if name.lower().endswith(".zip")]
    if zips and len(files) > 1:
        raise ValueError("Please choose one ZIP alone, or pictures.")
    if zips:
        return zips[0]
    if sum(len(data) for _, data in files) > MAX_MB * 1_000_000:
        raise ValueError(f"These pictures are larger than {MAX_MB} MB together: please import them in parts.")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as into:  # uncompressed: pictures hardly shrink
        for number, (name, data) in enumerate(files):
            into.writestr(name if name not in into.NameToInfo else f"{name} ({number})", data)
    return archive.getvalue()


def show(query: dict[str, Any]) -> None:
    """`query`: filters and order, as parameters of the API."""
    job = st.session_state.setdefault("importing", Import())
    left, right = st.columns(2, gap="large")
    with left:
        pieces.section("Import", "Sketches from elsewhere, or from an export.")
        if job.notice:
            st.info(job.notice, icon=":material/info:")
        if job.found:
            preview(job, job.found)
        else:
            choose(job)
    with right:
        pieces.section("Export", "A ZIP with the pictures that match the filters, and a table of their labels.")
        export({name: value for name, value in query.items() if name != "order"})


def choose(job: Import) -> None:
    st.html(f'<div class="taken">{TAKEN}</div>')
    for source, label, several in (("files", "A ZIP, or pictures", True), ("folder", "A folder", "directory")):
        st.file_uploader(
            label,
            TYPES,
            accept_multiple_files=several,
            key=f"{source}-{job.turns}",
            on_change=job.take,
            args=(source,),
            max_upload_size=MAX_MB,
        )


def preview(job: Import, found: Imported) -> None:
    """Show what was found, before it is stored."""
    digits = "".join(f"<li><b>{escape(_name(label))}</b> {n:,}</li>" for label, n in found.by_label.items())
    here = f"<p>{count(found.skipped)} of them are here already, and stay as they are.</p>" if found.skipped else ""
    st.html(f"""
        <div class="panel"><div class="sentence">Found: {count(found.imported + found.skipped)}</div>
        <ul class="by-label">{digits}</ul>{here}{_left_out(found)}</div>""")
    with st.container(horizontal=True, key="import-now"):
        if found.imported:
            st.button(f"Import {count(found.imported)}", on_click=job.store, type="primary", key="import")
        st.button("Cancel" if found.imported else "Choose others", on_click=job.drop, key="import-cancel")


def _left_out(found: Imported) -> str:
    if not found.left_out:
        return ""
    files = "".join(f"<li><b>{escape(each.file)}</b>: {escape(each.reason)}</li>" for each in found.examples)
    more = found.left_out - len(found.examples)
    rest = f"<li>and {more:,} more</li>" if more else ""
    sentence = f"{count(found.left_out, 'file')} {'is' if found.left_out == 1 else 'are'} left out:"
    return f"<p>{sentence}</p><ul>{files}{rest}</ul>"


def _name(label: str) -> str:
    return "not a digit" if label == "none" else label


def export(filters: dict[str, Any]) -> None:
    try:
        sketches = api.count(admin.token(), **filters)
    except api.BackendError as e:
        st.warning(str(e), icon=":material/cloud_off:")
        return pieces.keep_trying()
    st.download_button(
        f"Export {count(sketches)}",
        partial(api.export, admin.token(), **filters),
        "submissions.zip",
        "application/zip",
        on_click="ignore",
        icon=":material/download:",
        disabled=not sketches,
        key="export",
        help=f"Up to {api.MAX_EXPORT // 10**6} MB.",
    )
