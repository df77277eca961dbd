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
from fastapi import APIRouter, File, Form, Header, Query, Request, Response, UploadFile
from pydantic.json_schema import SkipJsonSchema

from app import imaging, store
from app.admin import WITH_OR_WITHOUT_TOKEN, AdminOnly, IsAdmin, SeesAll
from app.body import FormRoute, described, json_body
from app.client import CurrentClient
from app.database import Connection, Pool, QueryConnection, connect
from app.errors import (
    BODY_ERRORS,
    DATABASE_ERRORS,
    AdminDisabled,
    BadCursor,
    ForeignOrigin,
    InvalidRequest,
    KeyReused,
    NotAllowed,
    StorageFull,
    SubmissionNotFound,
    TokenMissing,
    WrongToken,
    responses,
)
from app.filters import Filters
from app.journal import Log
from app.limits import CurrentLimits
from app.registry import Serving
from app.schemas.submissions import (
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
from app.upload import PICTURE_ERRORS, PICTURE_PART, decode_upload

log = logging.getLogger("app")

router = APIRouter(
    prefix="/submissions",
    tags=["submissions"],
    responses=responses(InvalidRequest, *DATABASE_ERRORS),
    route_class=FormRoute,
)

Sorting = Annotated[Order, Query(description="`mislabelled`: those where the model disagrees, most confident first")]
IdempotencyKey = Annotated[
    UUID | SkipJsonSchema[None], Header(description="a UUID that the client makes for each drawing")
]

ONE = "/{submission_id:uuid}"  # uuid: else DELETE /submissions/count would match, too
WITH_TOKEN = responses(WrongToken, AdminDisabled)  # if the token is optional
IMAGE_CACHING = {
    "Cache-Control": "private, max-age=86400, immutable",
    "Vary": "Authorization, Idempotency-Key",  # it may be hidden without them
}
ADMIN = responses(TokenMissing, WrongToken, AdminDisabled, ForeignOrigin, *BODY_ERRORS)  # if it is required


@router.post(
    "",
    status_code=201,
    responses=responses(*PICTURE_ERRORS, KeyReused, StorageFull, *DATABASE_ERRORS),
    openapi_extra={"requestBody": {"content": {"multipart/form-data": PICTURE_PART}}},
)
async def submit(
    request: Request,
    file: Annotated[UploadFile, File(description="the picture")],
    true_label: Annotated[Label, Form(description="what was drawn: 0 to 9, or `none` for something else")],
    model: Serving,
    pool: Pool,
    journal: Log,
    limits: CurrentLimits,
    client: CurrentClient,
    visit: Annotated[
        UUID | SkipJsonSchema[None], Form(description="a random UUID that all sketches of one visit share")
    ] = None,
    log_it: Annotated[
        bool, Query(alias="log", description="also log the answer, where it was asked for with `/predict?log=false`")
    ] = False,
    idempotency_key: IdempotencyKey = None,
) -> Submission:
    """Store a sketch with what it was meant to be. What the model reads in it is found here, not sent.

    The same `Idempotency-Key` with the same content again returns the first submission.
    """
    data = await file.read()
    start = time.perf_counter()
    sketch, image = await decode_upload(request, data)
    reading = model.read(image)
    milliseconds = 1e3 * (time.perf_counter() - start)
    new = store.submissions.NewSubmission(
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
    async with limits.writing(pool, client) as connection:
        stored = await store.submissions.insert(connection, new)
        if stored:
            await limits.check_room(connection, client, len(new.image))
            if log_it:
                journal.record(stored, milliseconds)
        elif idempotency_key:
            stored = await store.submissions.find_repeated(connection, idempotency_key, new.request_sha256)
    if stored is None:  # raised after the transaction: the attempt counts towards the limits
        raise KeyReused
    return stored


@router.get("", openapi_extra=WITH_OR_WITHOUT_TOKEN, responses=responses(BadCursor, WrongToken, AdminDisabled))
async def list_submissions(
    sees_all: SeesAll,
    connection: QueryConnection,
    filters: Filters,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        str | SkipJsonSchema[None], Query(description="`next_cursor` of the page before, in the same order")
    ] = None,
    order: Sorting = "newest",
) -> SubmissionPage:
    """Submissions, newest first or likeliest mislabelled first, page by page.

    Where GALLERY is `approved`, only approved ones, unless the admin token is sent.
    """
    items = await store.pages.list_page(
        connection,
        limit + 1,  # to know whether there is another page
        order,
        _parse_cursor(cursor, order) if cursor else None,
        approved_only=None if sees_all else True,
        **filters,
    )
    more = len(items) > limit
    return SubmissionPage(items=items[:limit], next_cursor=_cursor(items[limit - 1], order) if more else None)


@router.get("/count", openapi_extra=WITH_OR_WITHOUT_TOKEN, responses=WITH_TOKEN)
async def count_submissions(
    sees_all: SeesAll, connection: QueryConnection, filters: Filters, order: Sorting = "newest"
) -> SubmissionCount:
    """How many submissions the pages of the list hold, with the same filters and order."""
    found = await store.pages.count(connection, order, approved_only=None if sees_all else True, **filters)
    return SubmissionCount(submissions=found)


@router.patch("", dependencies=[AdminOnly], openapi_extra=described(ChangeOfMany), responses=ADMIN)
async def change_many(change: Annotated[ChangeOfMany, json_body(ChangeOfMany)], connection: Connection) -> Changed:
    """Give up to 200 submissions a new label, a new status or both, all at once or none of them."""
    changed = await store.submissions.change(connection, change.ids, **change.columns)
    log.info("admin: %s set for %s", change.columns, _listed(submission.id for submission in changed))
    return Changed(changed=len(changed))


@router.post("/delete", dependencies=[AdminOnly], openapi_extra=described(Deletion), responses=ADMIN)
async def delete_many(deletion: Annotated[Deletion, json_body(Deletion)], connection: Connection) -> Deleted:
    """Delete up to 200 submissions, all at once or none of them."""
    deleted = await store.submissions.delete(connection, deletion.ids)
    log.info("admin: %d deleted of %s", deleted, _listed(deletion.ids))
    return Deleted(deleted=deleted)


@router.delete("", status_code=204, responses=responses(NotAllowed, ForeignOrigin))
async def delete_by_key(
    idempotency_key: Annotated[UUID, Header(description="the one it was sent with")],
    pool: Pool,
    limits: CurrentLimits,
    client: CurrentClient,
) -> None:
    """Undo by the `Idempotency-Key` alone, within 10 minutes; for a client that does not know whether its request
    arrived. Where nothing was stored with that key, there is nothing to do, and that is fine.
    """
    async with limits.writing(pool, client) as connection:
        if await store.submissions.delete_own(connection, idempotency_key):
            return
        known = await store.submissions.has_key(connection, idempotency_key)
    if known:
        raise NotAllowed


@router.get(ONE, openapi_extra=WITH_OR_WITHOUT_TOKEN, responses=responses(SubmissionNotFound) | WITH_TOKEN)
async def get_submission(
    submission_id: UUID, sees_all: SeesAll, connection: Connection, idempotency_key: IdempotencyKey = None
) -> Submission:
    """One submission. Where GALLERY is `approved` and this one is not: with its `Idempotency-Key`, or the token."""
    found = await store.submissions.find(connection, submission_id, sees_all, idempotency_key)
    if found is None:
        raise SubmissionNotFound
    return found


@router.get(
    ONE + "/image",
    openapi_extra=WITH_OR_WITHOUT_TOKEN,
    response_class=Response,
    responses=responses(SubmissionNotFound)
    | WITH_TOKEN
    | {200: {"content": {"image/png": {}}, "description": "The sketch"}},
)
async def get_image(
    submission_id: UUID, sees_all: SeesAll, connection: Connection, idempotency_key: IdempotencyKey = None
) -> Response:
    """The sketch: greyscale, at most 280×280. Shown to whom the submission is."""
    image = await store.submissions.find_image(connection, submission_id, sees_all, idempotency_key)
    if image is None:
        raise SubmissionNotFound
    return Response(image, media_type="image/png", headers=IMAGE_CACHING)


@router.patch(
    ONE,
    dependencies=[AdminOnly],
    openapi_extra=described(Change),
    responses=ADMIN | responses(SubmissionNotFound),
)
async def change_one(
    submission_id: UUID, change: Annotated[Change, json_body(Change)], connection: Connection
) -> Submission:
    """Approve, reject or relabel a submission."""
    changed = await store.submissions.change(connection, [submission_id], **change.columns)
    if not changed:
        raise SubmissionNotFound
    log.info("admin: %s set for %s", change.columns, submission_id)
    return changed[0]


@router.delete(
    ONE,
    openapi_extra=WITH_OR_WITHOUT_TOKEN,
    status_code=204,
    responses=responses(NotAllowed, ForeignOrigin, WrongToken, AdminDisabled, SubmissionNotFound),
)
async def delete(
    submission_id: UUID,
    is_admin: IsAdmin,
    sees_all: SeesAll,
    pool: Pool,
    limits: CurrentLimits,
    client: CurrentClient,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Delete a submission: with the admin token, or, within 10 minutes, as undo with its `Idempotency-Key`."""
    async with connect(pool) if is_admin else limits.writing(pool, client) as connection:
        if is_admin and await store.submissions.delete(connection, [submission_id]):
            log.info("admin: %s deleted", submission_id)
            return
        if idempotency_key and await store.submissions.delete_own(connection, idempotency_key, submission_id):
            return
        found = await store.submissions.find(connection, submission_id, sees_all, idempotency_key)
    raise NotAllowed if found else SubmissionNotFound


def _listed(ids: Iterable[UUID]) -> str:
    return ", ".join(map(str, ids)) or "none"


def _cursor(last: Submission, order: Order) -> str:
    place = last.created_at.isoformat() if order == "newest" else last.confidence
    return base64.urlsafe_b64encode(f"{place} {last.id}".encode()).decode()


def _parse_cursor(cursor: str, order: Order) -> tuple[datetime | float, UUID]:
    """Where the previous page ended. A cursor of another order does not parse: a time is not a number."""
    try:
        place, submission_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return datetime.fromisoformat(place) if order == "newest" else _confidence(place), UUID(submission_id)
    except ValueError as e:  # also binascii.Error and UnicodeDecodeError
        raise BadCursor from e


def _confidence(text: str) -> float:
    confidence = float(text)
    if not 0 <= confidence <= 1:
        raise ValueError(text)
    return float(np.float32(confidence))  # as in the database
