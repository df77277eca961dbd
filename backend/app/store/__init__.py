"""All SQL: a module for each table or task, a function for each query."""

from app.store import (
    archive,
    conditions,
    health,
    models,
    pages,
    predictions,
    promotions,
    races,
    rate_limits,
    retrainings,
    statistics,
    submissions,
)

__all__ = [
    "archive",
    "conditions",
    "health",
    "models",
    "pages",
    "predictions",
    "promotions",
    "races",
    "rate_limits",
    "retrainings",
    "statistics",
    "submissions",
]
