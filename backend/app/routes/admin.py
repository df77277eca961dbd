"""Whether a token is right."""

from fastapi import APIRouter

from app.admin import AdminOnly
from app.errors import AdminDisabled, TokenMissing, WrongToken, responses

router = APIRouter(tags=["admin"])


@router.get(
    "/admin",
    status_code=204,
    dependencies=[AdminOnly],
    responses=responses(TokenMissing, WrongToken, AdminDisabled),
)
async def check_token() -> None:
    """Whether the token is right: nothing else happens. In /docs, "Authorize" takes it."""
