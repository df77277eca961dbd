"""Everything that a client can do wrong, or that can be away, in one place."""

from typing import ClassVar

from app.schemas import Problem


class AppError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or type(self).__doc__)

    @property
    def detail(self) -> str:
        return str(self)


class MalformedImage(AppError):
    """The image is damaged or cut off."""

    status = 400


class BadCursor(AppError):
    """The cursor does not come from this list."""

    status = 400


class TokenMissing(AppError):
    """This call needs the admin token: `Authorization: Bearer …`."""

    status = 401
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class WrongToken(AppError):
    """This is not the admin token of this server."""

    status = 403


class AdminDisabled(AppError):
    """No ADMIN_TOKEN is set on this server: calls that need it are refused."""

    status = 403


class NotAllowed(AppError):
    """This call needs the submission's Idempotency-Key, within 10 minutes of storing it, or the admin token."""

    status = 403


class SubmissionNotFound(AppError):
    """There is no submission with this id."""

    status = 404


class ModelNotFound(AppError):
    """There is no model of this version."""

    status = 404


class AlreadyServing(AppError):
    """This model is the one that was promoted last."""

    status = 409


class GateNotPassed(AppError):
    """The gate has not passed this model: it would take a person to overrule it."""

    status = 409


class BodyTooLarge(AppError):
    """The request is larger than 10 MB."""

    status = 413


class ImageTooLarge(AppError):
    """The picture has more than 40 megapixels."""

    status = 413


class NotAnImage(AppError):
    """This is not a picture that can be read: PNG, JPEG, WebP, GIF and BMP are."""

    status = 415


class BlankImage(AppError):
    """There is no ink on the image."""

    status = 422


class InvalidRequest(AppError):
    """A field, a filter or an id is not one that this call takes."""

    status = 422


class MissingImage(AppError):
    """The request carries no picture: send it as the body, or as the multipart field `file`."""

    status = 422


class KeyReused(AppError):
    """This Idempotency-Key was used before, for another picture or label."""

    status = 422


class ModelRefused(AppError):
    """The model is damaged, does not load, or cannot read ten clear digits."""

    status = 422


class BadArchive(AppError):
    """This is no ZIP as the export writes it, or it is damaged."""

    status = 422


class DatabaseUnavailable(AppError):
    """The database is away; predictions still work. Try again in a moment."""

    status = 503


def responses(*errors: type[AppError]) -> dict[int | str, dict]:
    """What /docs says of these errors, by status."""
    described: dict[int | str, dict] = {}
    for error in errors:
        entry = described.setdefault(error.status, {"model": Problem, "description": [], "examples": {}})
        entry["description"].append(f"{error.__name__}: {error.__doc__}")
        entry["examples"][error.__name__] = {"value": {"error": error.__name__, "detail": error.__doc__}}
    for entry in described.values():
        entry["description"] = " ".join(entry["description"])
        entry["content"] = {"application/json": {"examples": entry.pop("examples")}}
    return described
