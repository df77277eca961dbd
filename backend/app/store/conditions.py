"""Conditions on submissions that several queries share."""

from typing import Any

# what clients see
COLUMNS = "id, created_at, prediction, confidence, unsure, probabilities, model, true_label, correct, status, visit"
SELECT_SUBMISSION = f"SELECT {COLUMNS} FROM submissions "

# visible to a client that sent this idempotency key, or none
SHOWN = "(%(all)s OR status = 'approved' OR idempotency_key = %(key)s)"

# counted in statistics: only approved ones for clients that may not see all, as in the list
COUNTED = "status <> 'rejected' AND (%(all)s OR status = 'approved')"

# read differently by the two models of the current race, and learned from by neither
CONTESTED = """SELECT submission FROM race_readings JOIN races ON races.id = race
    WHERE outcome IS NULL AND counts AND race_readings.challenger <> race_readings.champion"""

CONDITIONS = {
    "digit": "true_label = %(digit)s",
    "not_a_digit": "true_label IS NULL",
    "predicted": "prediction = %(predicted)s",
    "correct": "correct = %(correct)s",
    "unsure": "unsure = %(unsure)s",
    "status": "status = %(status)s",
    "rejected": "(status = 'rejected') = %(rejected)s",
    "model": "model = %(model)s",
    "approved_only": "status = 'approved'",
    "contested": f"id = ANY(ARRAY({CONTESTED}))",  # an array, as in races.count_score
    "uncontested": f"id NOT IN ({CONTESTED})",
    "nothing": "false",
}


def build_where(filters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The condition for filters named as in CONDITIONS, and its parameters. None does not filter."""
    values = {name: value for name, value in filters.items() if value is not None}
    return " AND ".join([CONDITIONS[name] for name in values] or ["true"]), values
