"""Sketches with what people meant by them."""

import base64
import hashlib
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import numpy as np
from fastapi import APIRouter, File, Form, Header, Query, Response, UploadFile

from app import imaging, store
from app.admin import AdminOnly, IsAdmin, SeesAll
from app.database import Connection, Pool, connect
from app.errors import (
    AdminDisabled,
    BadCursor,
    BlankImage,
    BodyTooLarge,
    DatabaseUnavailable,
    ImageTooLarge,
    InvalidRequest,
    KeyReused,
    MalformedImage,
    MissingImage,
    NotAllowed,
    NotAnImage,
    SubmissionNotFound,
    TokenMissing,
    WrongToken,
    responses,
)
from app.filters import Filters
from app.journal import Log
from app.registry import Serving
from app.schemas import (
    Change,
    Changed,
    ChangeOfMany,
    Deleted,
    Deletion,
    Label,
    Order,
    Submission,
    SubmissionCount,
    SubmissionPage,
)
from app.upload import to_sketch

log = logging.getLogger("app")

router = APIRouter(
    prefix="/submissions", tags=["submissions"], responses=responses(InvalidRequest, DatabaseUnavailable)
)

Sorting = Annotated[Order, Query(description="`mislabelled`: those where the model disagrees, most confident first")]
IdempotencyKey = Annotated[UUID | None, Header(description="a UUID that the client makes for each drawing")]

WITH_TOKEN = responses(WrongToken, AdminDisabled)  # where a token may be sent
ADMIN = {"dependencies": [AdminOnly], "responses": responses(TokenMissing, WrongToken, AdminDisabled)}


@router.post("", status_code=201, responses=responses(MalformedImage, BodyTooLarge, ImageTooLarge, NotAnImage, BlankImage, MissingImage, InvalidRequest, KeyReused))  # fmt: skip  # noqa: E501
async def submit(
    file: Annotated[UploadFile, File(description="the picture")],
    true_label: Annotated[Label, Form(description="what was drawn: 0 to 9, or `none` for something else")],
    model: Serving,
    pool: Pool,
    journal: Log,
    visit: Annotated[UUID | None, Form(description="a random UUID that all sketches of one visit share")] = None,
    log_it: Annotated[
        bool, Query(alias="log", description="also log the answer, where it was asked for with `/predict?log=false`")
    ] = False,
    idempotency_key: IdempotencyKey = None,
) -> Submission:
    """Store a sketch with what it was meant to be. What the model reads in it is found here, not sent.

    The same `Idempotency-Key` with the same content again returns the first submission.
    """
    data = await file.read()
    sketch = await to_sketch(data)
    start = time.perf_counter()
    reading = model.read(imaging.prepare(sketch))
    milliseconds = 1e3 * (time.perf_counter() - start)
    new = store.NewSubmission(
        idempotency_key=idempotency_key,
        request_sha256=hashlib.sha256(true_label.encode() + b"\0" + data).digest(),
        image=imaging.to_png(sketch),
        prediction=reading.digit,
        confidence=reading.confidence,
        unsure=reading.unsure,
        probabilities=reading.probabilities,
        model=model.version,
        true_label=true_label.digit,
        visit=visit,
    )
    async with connect(pool) as connection:
        stored = await store.insert_submission(connection, new)
        if stored and log_it:
            journal.record(stored, milliseconds)
        if stored is None and idempotency_key:
            stored = await store.find_repeated(connection, idempotency_key, new.request_sha256)
    if stored is None:
        raise KeyReused
    return stored


@router.get("", responses=responses(BadCursor, WrongToken, AdminDisabled))
async def list_submissions(
    connection: Connection,
    filters: Filters,
    sees_all: SeesAll,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before, in the same order")] = None,
    order: Sorting = "newest",
) -> SubmissionPage:
    """Submissions, newest first or likeliest mislabelled first, page by page.

    Where GALLERY is `approved`, only approved ones, unless the admin token is sent.
    """
    items = await store.list_submissions(
        connection,
        limit + 1,  # one more tells whether there is another page
        order,
        _parse_cursor(cursor, order) if cursor else None,
        approved_only=None if sees_all else True,
        **filters,
    )
    more = len(items) > limit
    return SubmissionPage(items=items[:limit], next_cursor=_cursor(items[limit - 1], order) if more else None)


@router.get("/count", responses=WITH_TOKEN)
async def count_submissions(
    connection: Connection, filters: Filters, sees_all: SeesAll, order: Sorting = "newest"
) -> SubmissionCount:
    """How many submissions the pages of the list hold, with the same filters and order."""
    found = await store.count_submissions(connection, order, approved_only=None if sees_all else True, **filters)
    return SubmissionCount(submissions=found)


@router.patch("", **ADMIN)
async def change_many(change: ChangeOfMany, connection: Connection) -> Changed:
    """Give up to 200 submissions a new label, a new status or both, all at once or none of them."""
    changed = await store.change_submissions(connection, change.ids, **change.columns)
    log.info("admin: %s set for %s", change.columns, _listed(submission.id for submission in changed))
    return Changed(changed=len(changed))


@router.post("/delete", **ADMIN)
async def delete_many(deletion: Deletion, connection: Connection) -> Deleted:
    """Delete up to 200 submissions, all at once or none of them."""
    deleted = await store.delete_submissions(connection, deletion.ids)
    log.info("admin: %d deleted of %s", deleted, _listed(deletion.ids))
    return Deleted(deleted=deleted)


@router.delete("", status_code=204, responses=responses(NotAllowed))
async def delete_by_key(
    connection: Connection, idempotency_key: Annotated[UUID, Header(description="the one it was sent with")]
) -> None:
    """Undo by the `Idempotency-Key` alone, within 10 minutes; for a client that does not know whether its request
    arrived. Where nothing was stored with that key, there is nothing to do, and that is fine.
    """
    if await store.delete_own_submission(connection, idempotency_key):
        return
    if await store.has_key(connection, idempotency_key):
        raise NotAllowed


@router.get("/{submission_id}", responses=responses(SubmissionNotFound) | WITH_TOKEN)
async def get_submission(
    submission_id: UUID, connection: Connection, sees_all: SeesAll, idempotency_key: IdempotencyKey = None
) -> Submission:
    """One submission. Where GALLERY is `approved` and this one is not: with its `Idempotency-Key`, or the token."""
    found = await store.find_submission(connection, submission_id, sees_all, idempotency_key)
    if found is None:
        raise SubmissionNotFound
    return found


@router.get(
    "/{submission_id}/image",
    response_class=Response,
    responses=responses(SubmissionNotFound)
    | WITH_TOKEN
    | {200: {"content": {"image/png": {}}, "description": "The sketch"}},
)
async def get_image(
    submission_id: UUID, connection: Connection, sees_all: SeesAll, idempotency_key: IdempotencyKey = None
) -> Response:
    """The sketch: greyscale, at most 280×280. Shown to whom the submission is."""
    image = await store.find_image(connection, submission_id, sees_all, idempotency_key)
    if image is None:
        raise SubmissionNotFound
    return Response(image, media_type="image/png", headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.patch("/{submission_id}", **ADMIN | {"responses": ADMIN["responses"] | responses(SubmissionNotFound)})
async def change_one(submission_id: UUID, change: Change, connection: Connection) -> Submission:
    """Approve, reject or relabel a submission."""
    changed = await store.change_submissions(connection, [submission_id], **change.columns)
    if not changed:
        raise SubmissionNotFound
    log.info("admin: %s set for %s", change.columns, submission_id)
    return changed[0]


@router.delete(
    "/{submission_id}", status_code=204, responses=responses(NotAllowed, WrongToken, AdminDisabled, SubmissionNotFound)
)
async def delete(
    submission_id: UUID,
    connection: Connection,
    is_admin: IsAdmin,
    sees_all: SeesAll,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Delete a submission: with the admin token, or, within 10 minutes, as undo with its `Idempotency-Key`."""
    if is_admin and await store.delete_submissions(connection, [submission_id]):
        log.info("admin: %s deleted", submission_id)
        return
    if idempotency_key and await store.delete_own_submission(connection, idempotency_key, submission_id):
        return
    found = await store.find_submission(connection, submission_id, sees_all, idempotency_key)
    raise NotAllowed if found else SubmissionNotFound


def _listed(ids: Iterable[UUID]) -> str:
    return ", ".join(map(str, ids)) or "none"


def _cursor(last: Submission, order: Order) -> str:
    place = last.created_at.isoformat() if order == "newest" else last.confidence
    return base64.urlsafe_b64encode(f"{place} {last.id}".encode()).decode()


def _parse_cursor(cursor: str, order: Order) -> tuple[datetime | float, UUID]:
    """Where the page before ended. A time is no number, and the other way round: so the orders cannot be mixed up."""
    try:
        place, submission_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return datetime.fromisoformat(place) if order == "newest" else _confidence(place), UUID(submission_id)
    except ValueError as e:  # also what base64 and decode raise
        raise BadCursor from e


def _confidence(text: str) -> float:
    confidence = float(text)
    if not 0 <= confidence <= 1:
        raise ValueError(text)
    return float(np.float32(confidence))  # as the database has it
