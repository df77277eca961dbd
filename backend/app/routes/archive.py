"""Submissions as a ZIP: out, and in again; and pictures that come as a ZIP."""

import logging
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, BinaryIO

import psycopg
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app import archive, pictures, store
from app.admin import AdminOnly
from app.database import Pool, Snapshot, connect
from app.errors import (
    AdminDisabled,
    BadArchive,
    BodyTooLarge,
    DatabaseUnavailable,
    InvalidRequest,
    TokenMissing,
    WrongToken,
    responses,
)
from app.filters import Filters
from app.registry import Serving
from app.schemas import Imported, LeftOut

log = logging.getLogger("app")

ZIP = "application/zip"
AT_ONCE = 100  # rows that are checked and stored at once
EXAMPLES = 20  # of files that are left out

BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {"schema": {"type": "object", "required": ["file"], "properties": {"file": BINARY["schema"]}}}
ARCHIVE_BODY = {
    "requestBody": {
        "required": True,
        "description": "What the export gave, at most 100,000 sketches; or at most 10,000 pictures. 100 MB at most.",
        "content": {ZIP: BINARY, "multipart/form-data": FORM},
    }
}

router = APIRouter(
    prefix="/submissions",
    tags=["submissions"],
    dependencies=[AdminOnly],
    responses=responses(TokenMissing, WrongToken, AdminDisabled, InvalidRequest, DatabaseUnavailable),
)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {ZIP: BINARY}, "description": "The ZIP, piece by piece"}},
)
async def export_submissions(connection: Snapshot, filters: Filters) -> StreamingResponse:
    """A ZIP of the submissions that the filters leave: `labels.csv`, and `sketches/{id}.png` of each.

    `curl -OJ -H "Authorization: Bearer $ADMIN_TOKEN" 'localhost:8000/submissions/export?status=approved'`
    """
    pieces = archive.pack(store.stream_submissions(connection, **filters), store.stream_images(connection, **filters))
    first = await anext(pieces)  # what can fail fails here, while there still is a status to say so

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    name = f"submissions-{datetime.now(UTC):%Y-%m-%d}.zip"
    return StreamingResponse(body(), media_type=ZIP, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def _uploaded(request: Request) -> AsyncIterator[BinaryIO]:
    """The archive, from the body or a form, in a file: it may be large."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise BadArchive("The request carries no ZIP: send it as the body, or as the form field `file`.")
            yield file.file
    else:
        with tempfile.SpooledTemporaryFile(max_size=1_000_000) as file:
            async for chunk in request.stream():
                file.write(chunk)
            yield file


@router.post(
    "/import",
    openapi_extra=ARCHIVE_BODY,
    responses=responses(BodyTooLarge, InvalidRequest, BadArchive),
)
async def import_submissions(
    file: Annotated[BinaryIO, Depends(_uploaded)],
    pool: Pool,
    model: Serving,
    dry_run: Annotated[bool, Query(description="say what would be stored, and store nothing")] = False,
) -> Imported:
    """Store what a ZIP holds: an export, or pictures.

    **An export** is stored exactly as it was: all of it or, where anything is wrong with it, nothing. Those whose id is
    there are left as they are. The `Idempotency-Key` of none is known any more.

    **Pictures** are sorted by folder (`2/anna.png`, `none/house.png`) or named by digit (`7-anna.jpg`); the folder
    counts first. The model reads each of them; they are `pending`. What cannot be used is left out and listed, and what
    was imported before, with the same label, is skipped.

    `curl --data-binary @submissions.zip -H "Authorization: Bearer $ADMIN_TOKEN" localhost:8000/submissions/import`
    """
    exported = await run_in_threadpool(archive.is_export, file)
    rows = archive.unpack(file) if exported else pictures.unpack(file, model)
    read, imported, by_label, left_out = 0, 0, Counter(), []
    async with connect(pool) as connection:
        while batch := await run_in_threadpool(lambda: list(islice(rows, AT_ONCE))):
            left_out += [each for each in batch if isinstance(each, LeftOut)]
            batch = [each for each in batch if not isinstance(each, LeftOut)]
            try:
                imported += await store.restore_submissions(connection, batch) if batch else 0
            except (psycopg.DataError, psycopg.IntegrityError) as e:
                first, last = read + 2, read + 1 + len(batch)  # as a spreadsheet counts them
                raise BadArchive(f"labels.csv, rows {first} to {last}: one cannot be stored as it is.") from e
            by_label.update("none" if row.true_label is None else str(row.true_label) for row in batch)
            read += len(batch)
        if dry_run:
            await connection.rollback()
    if not dry_run:
        log.info("admin: %d imported, %d were there, %d left out", imported, read - imported, len(left_out))
    return Imported(
        imported=imported,
        skipped=read - imported,
        by_label=dict(sorted(by_label.items())),
        left_out=len(left_out),
        examples=left_out[:EXAMPLES],
    )
