"""All errors that clients see: what they did wrong, and what is unavailable. The docstring is the message."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar


class AppError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or type(self).__doc__)

    @property
    def detail(self) -> str:
        return str(self)


class BadRequest(AppError):
    """The request is malformed, such as a form that is cut off or holds too much."""

    status = 400


class MalformedImage(AppError):
    """The image is damaged or cut off."""

    status = 400


class BadCursor(AppError):
    """The cursor does not come from this list."""

    status = 400


class TokenMissing(AppError):
    """This call needs the admin token: `Authorization: Bearer …`."""

    status = 401
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class WrongToken(AppError):
    """This is not the admin token of this server."""

    status = 403


class AdminDisabled(AppError):
    """No ADMIN_TOKEN is set on this server: calls that need it are refused."""

    status = 403


class ForeignOrigin(AppError):
    """A page of another site may not do this here."""

    status = 403


class NotAllowed(AppError):
    """This call needs the submission's Idempotency-Key, within 10 minutes of storing it, or the admin token."""

    status = 403


class SubmissionNotFound(AppError):
    """There is no submission with this id."""

    status = 404


class ModelNotFound(AppError):
    """There is no model with this version."""

    status = 404


class AlreadyServing(AppError):
    """This model is the one that was promoted last."""

    status = 409


class GateNotPassed(AppError):
    """This model has not passed the gate: only a person can overrule it."""

    status = 409


class RetrainingNotFound(AppError):
    """There is no retraining with this id."""

    status = 404


class AlreadyRetraining(AppError):
    """A retraining is already waiting or running: cancel it, or wait for it to end."""

    status = 409


class NothingToLearn(AppError):
    """No sketch is approved, so there is nothing to learn from."""

    status = 409


class RetrainingEnded(AppError):
    """This retraining has ended: there is nothing to cancel."""

    status = 409


class BodyTooSlow(AppError):
    """The request did not arrive in time."""

    status = 408


class BodyTooLarge(AppError):
    """The request is larger than 10 MB."""

    status = 413


class ImageTooLarge(AppError):
    """The picture has more than 40 megapixels."""

    status = 413


class NotAnImage(AppError):
    """This is not a picture that can be read: PNG, JPEG, WebP, GIF and BMP are."""

    status = 415


class MisdirectedRequest(AppError):
    """This server does not answer to the name it was called by. Whoever runs it can add the name to ALLOWED_HOSTS."""

    status = 421


class BlankImage(AppError):
    """There is no ink on the image."""

    status = 422


class InvalidRequest(AppError):
    """A field, a filter or an id is not valid for this call."""

    status = 422


class PictureTooComplex(AppError):
    """The picture takes too long to decode, or too much memory. Save it as an ordinary PNG or JPEG and send that."""

    status = 422


class MissingImage(AppError):
    """The request carries no picture: send it as the body, or as the multipart field `file`."""

    status = 422


class KeyReused(AppError):
    """This Idempotency-Key was used before, for another picture or label, or its sketch was taken back."""

    status = 422


class ModelRefused(AppError):
    """The model is damaged, does not load or answer in time, or cannot read ten clear digits."""

    status = 422


class BadArchive(AppError):
    """This is not a ZIP file that the export wrote, or it is damaged."""

    status = 422


class TooManyRequests(AppError):
    """Too many at once from your network. Try again in a moment."""

    status = 429

    def __init__(self, seconds: float, what: str = "at once from your network") -> None:
        """`seconds`: until the next request is accepted."""
        wait = max(math.ceil(seconds), 1)
        super().__init__(f"Too many {what}. Try again in {wait} second{'s' * (wait > 1)}.")
        self.headers = {"Retry-After": str(wait)}


class StorageFull(AppError):
    """This server has reached its limit of stored sketches. Predictions still work."""

    status = 507
    headers = MappingProxyType({"Retry-After": "60"})


class Busy(AppError):
    """The server has more of these requests than it can answer at the moment. Try again in a few seconds."""

    status = 503
    headers = MappingProxyType({"Retry-After": "3"})


class DatabaseUnavailable(AppError):
    """The database is away; predictions still work. Try again in a moment."""

    status = 503


BODY_ERRORS = (BodyTooLarge, BodyTooSlow)  # of a route that takes a body
DATABASE_ERRORS = (DatabaseUnavailable, Busy)  # of a route that uses the database


def responses(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: what /docs shows for these errors."""
    from app.schemas.problems import Problem  # not at the top: pydantic would double the start time of app.forks

    described: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = described.setdefault(error.status, {"model": Problem, "description": [], "examples": {}})
        entry["description"].append(f"{error.__name__}: {error.__doc__}")
        entry["examples"][error.__name__] = {"value": {"error": error.__name__, "detail": error.__doc__}}
        if error is TooManyRequests:
            entry["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    for entry in described.values():
        entry["description"] = " ".join(entry["description"])
        entry["content"] = {"application/json": {"examples": entry.pop("examples")}}
    return described
