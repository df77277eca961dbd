"""Export and import of submissions as a ZIP, and import of pictures in a ZIP."""

import logging
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Annotated

import psycopg
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app import archive, decoding, export, pictures, store
from app.admin import AdminOnly
from app.body import parsed_form
from app.database import Pool, Snapshot, connect
from app.errors import (
    BODY_ERRORS,
    DATABASE_ERRORS,
    AdminDisabled,
    BadArchive,
    BadRequest,
    InvalidRequest,
    StorageFull,
    TokenMissing,
    WrongToken,
    responses,
)
from app.filters import Filters
from app.limits import CurrentLimits, Limits
from app.registry import Serving
from app.schemas.submissions import Imported, LeftOut
from app.store.archive import Restored

log = logging.getLogger("app")

ZIP = "application/zip"
AT_ONCE = 100  # rows that are checked and stored at a time
EXAMPLES = 20  # of files that are left out

BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "schema": {"type": "object", "required": ["file"], "properties": {"file": BINARY["schema"]}},
    "encoding": {"file": {"contentType": ZIP}},
}
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
    responses=responses(TokenMissing, WrongToken, AdminDisabled, InvalidRequest, *DATABASE_ERRORS),
)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {ZIP: BINARY}, "description": "The ZIP, piece by piece"}},
)
async def export_submissions(connection: Snapshot, filters: Filters) -> StreamingResponse:
    """A ZIP of the submissions that match the filters: `labels.csv`, and `sketches/{id}.png` for each.

    `curl -OJ -H "Authorization: Bearer $ADMIN_TOKEN" 'localhost:8000/submissions/export?status=approved'`
    """
    submissions = store.archive.stream_submissions(connection, **filters)
    pieces = export.pack(submissions, store.archive.stream_images(connection, **filters))
    first = await anext(pieces)  # most errors occur here, before the status is sent

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    name = f"submissions-{datetime.now(UTC):%Y-%m-%d}.zip"
    return StreamingResponse(body(), media_type=ZIP, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def _uploaded(request: Request) -> AsyncIterator[IO[bytes]]:
    """The archive, from the body or a form, in a temporary file since it may be large."""
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        async with parsed_form(request) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise BadArchive("The request carries no ZIP: send it as the body, or as the form field `file`.")
            yield file.file
    else:
        with tempfile.SpooledTemporaryFile(max_size=1_000_000) as body:
            async for chunk in request.stream():
                body.write(chunk)
            yield body


@router.post(
    "/import",
    openapi_extra=ARCHIVE_BODY,
    responses=responses(BadRequest, *BODY_ERRORS, InvalidRequest, BadArchive, StorageFull),
)
async def import_submissions(
    file: Annotated[IO[bytes], Depends(_uploaded)],
    pool: Pool,
    model: Serving,
    limits: CurrentLimits,
    dry_run: Annotated[bool, Query(description="say what would be stored, and store nothing")] = False,
) -> Imported:
    """Store what a ZIP holds: an export, or pictures.

    **An export** is stored exactly as it was: all of it, or nothing if anything is wrong with it. Submissions whose id
    exists are left unchanged. An export does not contain the `Idempotency-Key`s.

    **Pictures** are labelled by folder (`2/anna.png`, `none/house.png`) or by name (`7-anna.jpg`); the folder takes
    precedence. The model reads each of them, and they are `pending`. Unusable files are left out and listed; pictures
    that were imported before with the same label are skipped.

    `curl --data-binary @submissions.zip -H "Authorization: Bearer $ADMIN_TOKEN" localhost:8000/submissions/import`
    """
    exported = await run_in_threadpool(archive.is_export, file)
    rows = archive.unpack(file) if exported else pictures.unpack(file, model, decoding.read_from_thread)
    async with connect(pool) as connection:
        done = await _store(connection, rows, limits)
        if dry_run:
            await connection.rollback()
    if not dry_run:
        log.info("admin: %d imported, %d were there, %d left out", done.imported, done.skipped, done.left_out)
    return done


async def _store(connection: psycopg.AsyncConnection, rows: Iterator[Restored | LeftOut], limits: Limits) -> Imported:
    """Raises BadArchive and StorageFull."""
    read = imported = size = 0
    by_label: Counter[str] = Counter()
    left_out: list[LeftOut] = []
    while batch := await run_in_threadpool(lambda: list(islice(rows, AT_ONCE))):
        left_out += [each for each in batch if isinstance(each, LeftOut)]
        sketches = [each for each in batch if isinstance(each, Restored)]
        if new := await _store_batch(connection, sketches, read):
            size += sum(len(sketch.image) for sketch in sketches)
            await limits.check_room_for_import(connection, size)
        imported += new
        by_label.update("none" if sketch.true_label is None else str(sketch.true_label) for sketch in sketches)
        read += len(sketches)
    return Imported(
        imported=imported,
        skipped=read - imported,
        by_label=dict(sorted(by_label.items())),
        left_out=len(left_out),
        examples=left_out[:EXAMPLES],
    )


async def _store_batch(connection: psycopg.AsyncConnection, sketches: list[Restored], read: int) -> int:
    """Returns how many of them were new. `read`: the number of rows before them. Raises BadArchive."""
    try:
        return await store.archive.restore(connection, sketches) if sketches else 0
    except (psycopg.DataError, psycopg.IntegrityError) as e:
        first, last = read + 2, read + 1 + len(sketches)  # as a spreadsheet counts them
        raise BadArchive(f"labels.csv, rows {first} to {last}: one cannot be stored as it is.") from e
