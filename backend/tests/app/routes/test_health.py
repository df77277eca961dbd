import asyncio
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import watch
from app.schemas.health import Part
from app.store.health import SCHEMA_VERSION
from tests.calls import blank, predict
from tests.drawings import draw, encode, seven


def samples(client) -> dict[tuple, float]:
    """Prometheus' own parser on /metrics: (name, labels) → value."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def requests(found: dict, **labels: str) -> float:
    return found.get(("http_requests_total", *sorted(labels.items())), 0)


def test_live_answers(client):
    assert client.get("/health/live").json() == {"status": "ok"}


def test_ready_tells_each_part(client, model):
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "model": {"ready": True, "detail": model.version},
        "database": {"ready": True, "detail": "ok"},
    }


def test_those_who_ask_at_once_share_one_look_at_the_database(monkeypatch):
    looks = []

    async def look(pool) -> Part:
        looks.append(pool)
        await asyncio.sleep(0.01)
        return Part(ready=True, detail="ok")

    async def main() -> None:
        pool = SimpleNamespace(examination=None)
        first, second = await asyncio.gather(watch.examine(pool), watch.examine(pool))
        first.detail = "changed"
        assert second.detail == "ok"
        assert len(looks) == 1
        await watch.examine(pool)
        assert len(looks) == 2

    monkeypatch.setattr(watch, "_examine", look)
    asyncio.run(main())


def test_database_without_tables_is_not_ready(client, database):
    database.execute("ALTER SCHEMA public RENAME TO away")
    try:
        ready, listed = client.get("/health/ready"), client.get("/submissions")
        stored = client.post("/submissions", files={"file": seven()}, data={"true_label": "7"})
    finally:
        database.execute("ALTER SCHEMA away RENAME TO public")
    assert ready.status_code == 503
    assert ready.json()["database"] == {
        "ready": False,
        "detail": "The database is not set up: run db/migrate.sh (./up.sh does).",
    }
    assert listed.status_code == stored.status_code == 503
    assert listed.json()["error"] == "DatabaseUnavailable"


@pytest.mark.parametrize(
    ("version", "detail"), [(SCHEMA_VERSION - 1, "run db/migrate.sh"), (SCHEMA_VERSION + 1, "of a newer release")]
)
def test_database_of_another_version_is_not_ready(client, database, version, detail):
    with database.transaction():
        database.execute("ALTER TABLE schema_migrations RENAME TO kept")
        database.execute("CREATE TABLE schema_migrations AS SELECT %s AS version", [version])
        database.execute("GRANT SELECT ON schema_migrations TO PUBLIC")
    try:
        ready = client.get("/health/ready")
    finally:
        database.execute("DROP TABLE schema_migrations; ALTER TABLE kept RENAME TO schema_migrations")
    assert ready.status_code == 503
    assert f"is at version {version}" in ready.json()["database"]["detail"]
    assert detail in ready.json()["database"]["detail"]


def test_metrics_count_requests_by_route_and_status(client):
    before = samples(client)
    predict(client, seven())
    predict(client, blank())
    client.get("/submissions/00000000-0000-0000-0000-000000000000")
    after = samples(client)
    for route, method, status in [
        ("/predict", "POST", "200"),
        ("/predict", "POST", "422"),
        ("/submissions/{submission_id}", "GET", "404"),
    ]:
        labels = {"route": route, "method": method, "status": status}
        assert requests(after, **labels) - requests(before, **labels) == 1, labels
    seconds = ("http_request_seconds_count", ("route", "/predict"))
    assert after[seconds] - before.get(seconds, 0) == 2


def test_metrics_count_answers_by_digit(client, model):
    labels = ("predictions_total", ("digit", "4"))
    before = sum(value for name, value in samples(client).items() if name[:2] == labels)
    predict(client, encode(draw(4)))
    assert sum(value for name, value in samples(client).items() if name[:2] == labels) - before == 1


def test_unknown_paths_make_no_series_of_their_own(client):
    for n in range(20):
        client.get(f"/nowhere/{n}")
        client.get(f"/submissions/{n}")
    routes = {dict(labels).get("route") for _, *labels in samples(client)}
    assert not [route for route in routes if route and ("nowhere" in route or route[-1].isdigit())]
