"""Sketches with what people meant by them."""

import base64
import hashlib
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Header, Query, Response, UploadFile

from app import imaging, store
from app.database import Connection, Pool, connect
from app.errors import (
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
    responses,
)
from app.registry import Serving
from app.schemas import Label, Status, Submission, SubmissionPage
from app.upload import to_sketch

router = APIRouter(
    prefix="/submissions", tags=["submissions"], responses=responses(InvalidRequest, DatabaseUnavailable)
)

IdempotencyKey = Annotated[UUID | None, Header(description="a UUID that the client makes for each drawing")]


@router.post("", status_code=201, responses=responses(MalformedImage, BodyTooLarge, ImageTooLarge, NotAnImage, BlankImage, MissingImage, InvalidRequest, KeyReused))  # fmt: skip  # noqa: E501
async def submit(
    file: Annotated[UploadFile, File(description="the picture")],
    true_label: Annotated[Label, Form(description="what was drawn: 0 to 9, or `none` for something else")],
    model: Serving,
    pool: Pool,
    idempotency_key: IdempotencyKey = None,
) -> Submission:
    """Store a sketch with what it was meant to be. What the model reads in it is found here, not sent.

    The same `Idempotency-Key` with the same content again returns the first submission.
    """
    data = await file.read()
    sketch = await to_sketch(data)
    reading = model.read(imaging.prepare(sketch))
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
    )
    async with connect(pool) as connection:
        stored = await store.insert_submission(connection, new)
        if stored is None and idempotency_key:
            stored = await store.find_repeated(connection, idempotency_key, new.request_sha256)
    if stored is None:
        raise KeyReused
    return stored


@router.get("", responses=responses(BadCursor))
async def list_submissions(
    connection: Connection,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    digit: Annotated[Label | None, Query(description="what was meant")] = None,
    predicted: Annotated[int | None, Query(ge=0, le=9, description="what was read")] = None,
    correct: Annotated[bool | None, Query(description="whether that is the same")] = None,
    status: Status | None = None,
    model: Annotated[str | None, Query(pattern="^[ -~]*$", description="version of the model that read it")] = None,
) -> SubmissionPage:
    """Submissions, newest first, page by page."""
    items = await store.list_submissions(
        connection,
        limit + 1,  # one more tells whether there is another page
        before=_parse_cursor(cursor) if cursor else None,
        digit=digit.digit if digit else None,
        not_a_digit=True if digit is Label.NOT_A_DIGIT else None,
        predicted=predicted,
        correct=correct,
        status=status,
        model=model,
    )
    more = len(items) > limit
    return SubmissionPage(items=items[:limit], next_cursor=_cursor(items[limit - 1]) if more else None)


@router.get("/{submission_id}", responses=responses(SubmissionNotFound))
async def get_submission(submission_id: UUID, connection: Connection) -> Submission:
    """One submission."""
    found = await store.find_submission(connection, submission_id)
    if found is None:
        raise SubmissionNotFound
    return found


@router.get(
    "/{submission_id}/image",
    response_class=Response,
    responses=responses(SubmissionNotFound) | {200: {"content": {"image/png": {}}, "description": "The sketch"}},
)
async def get_image(submission_id: UUID, connection: Connection) -> Response:
    """The sketch: greyscale, at most 280×280."""
    image = await store.find_image(connection, submission_id)
    if image is None:
        raise SubmissionNotFound
    return Response(image, media_type="image/png", headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.delete("/{submission_id}", status_code=204, responses=responses(NotAllowed, SubmissionNotFound))
async def undo(submission_id: UUID, connection: Connection, idempotency_key: IdempotencyKey = None) -> None:
    """Take a submission back: for whoever sends its `Idempotency-Key`, within 10 minutes."""
    if idempotency_key and await store.delete_own_submission(connection, submission_id, idempotency_key):
        return
    raise NotAllowed if await store.find_submission(connection, submission_id) else SubmissionNotFound


def _cursor(last: Submission) -> str:
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode()


def _parse_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        created_at, submission_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return datetime.fromisoformat(created_at), UUID(submission_id)
    except ValueError as e:  # also what base64 and decode raise
        raise BadCursor from e
