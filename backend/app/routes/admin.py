"""Checking the admin token."""

from fastapi import APIRouter

from app.admin import AdminOnly
from app.errors import DATABASE_ERRORS, AdminDisabled, TokenMissing, WrongToken, responses

router = APIRouter(tags=["admin"])


@router.get(
    "/admin",
    status_code=204,
    dependencies=[AdminOnly],
    responses=responses(TokenMissing, WrongToken, AdminDisabled, *DATABASE_ERRORS),
)
async def check_token() -> None:
    """Check the admin token, and do nothing else. In /docs, enter it under "Authorize"."""
