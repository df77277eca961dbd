"""Figures on what people submitted."""

from functools import partial
from typing import Any

from fastapi import APIRouter
from psycopg import AsyncConnection

from app import drift, store
from app.admin import WITH_OR_WITHOUT_TOKEN, IsAdmin, SeesAll
from app.database import Pool, count_for_everybody
from app.errors import DATABASE_ERRORS, AdminDisabled, WrongToken, responses
from app.registry import Serving
from app.schemas.statistics import Answers, ConfidenceBin, DigitStatistics, Drift, Statistics

router = APIRouter(tags=["statistics"], responses=responses(WrongToken, AdminDisabled, *DATABASE_ERRORS))


@router.get("/statistics", openapi_extra=WITH_OR_WITHOUT_TOKEN)
async def get_statistics(is_admin: IsAdmin, sees_all: SeesAll, pool: Pool, serving: Serving) -> Statistics:
    """Accuracy overall, by digit, confidence, day and model, the confusion matrix, and how sure the answers were.

    Where GALLERY is `approved`, only approved submissions count, unless the admin token is sent. Without it, those of
    the last seconds may be missing.
    """
    key, count = ("statistics", sees_all, serving.version), partial(_count, sees_all=sees_all, model=serving.version)
    return await count_for_everybody(pool, key, count, latest=is_admin)


async def _count(connection: AsyncConnection, sees_all: bool, model: str) -> Statistics:
    counts = await store.statistics.count_by_answer(connection, sees_all)
    matrix = [[0] * 10 for _ in range(10)]
    for count in counts:
        if count["true_label"] is not None:
            matrix[count["true_label"]][count["prediction"]] = count["submissions"]
    digits, correct = sum(map(sum, matrix)), sum(matrix[d][d] for d in range(10))
    total = sum(count["submissions"] for count in counts)
    alarms = {c["prediction"]: c["submissions"] - c["unsure"] for c in counts if c["true_label"] is None}
    answers_by_day = await store.predictions.count_answers_by_day(connection)
    answers, unsure_answers = sum(day.answers for day in answers_by_day), sum(day.unsure for day in answers_by_day)
    return Statistics(
        total=total,
        digits=digits,
        not_digits=total - digits,
        false_alarms=sum(alarms.values()),
        correct=correct,
        accuracy=_share(correct, digits),
        unsure=sum(count["unsure"] for count in counts),
        per_digit=[_digit_statistics(matrix, digit, alarms.get(digit, 0)) for digit in range(10)],
        confusion_matrix=matrix,
        confidence_bins=_bins(await store.statistics.count_by_confidence(connection, sees_all)),
        by_day=await store.statistics.count_by_day(connection, sees_all),
        by_model=await store.statistics.count_by_model(connection, sees_all),
        by_day_and_model=await store.statistics.count_by_day_and_model(connection, sees_all),
        answers=Answers(total=answers, unsure=unsure_answers, unsure_share=_share(unsure_answers, answers)),
        answers_by_day=answers_by_day,
        drift=await _drift(connection, model),
    )


async def _drift(connection: AsyncConnection, model: str) -> Drift:
    reference, end = await store.predictions.find_reference(connection, model) or (None, 0)
    latest = await store.predictions.count_latest_confidences(connection, model, end, drift.LATEST)
    if reference is None:  # `latest` are still the first ones
        reference, latest = latest, [0] * 10
    return drift.compare(reference, latest)


def _digit_statistics(matrix: list[list[int]], digit: int, false_alarms: int) -> DigitStatistics:
    submissions, correct, predicted = sum(matrix[digit]), matrix[digit][digit], sum(row[digit] for row in matrix)
    return DigitStatistics(
        digit=digit,
        submissions=submissions,
        correct=correct,
        predicted=predicted,
        false_alarms=false_alarms,
        recall=_share(correct, submissions),
        precision=_share(correct, predicted),
    )


def _bins(counts: list[dict[str, Any]]) -> list[ConfidenceBin]:
    """Ten of them, also those that nothing fell into."""
    found = {count["bin"]: count for count in counts}
    empty = {"submissions": 0, "mean_confidence": None, "accuracy": None}
    return [
        ConfidenceBin(low=b / 10, high=(b + 1) / 10, **{k: found.get(b, empty)[k] for k in empty}) for b in range(10)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
