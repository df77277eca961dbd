"""Limits: exact where they are shared, generous to a school, and without a trace of addresses."""

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from httpx2 import Client as Http
from httpx2 import Response
from psycopg import Connection

from app import imaging, store
from app.client import Client
from app.config import Limit, Settings
from app.limits import MAX_BUCKETS, Buckets, Limits
from tests.calls import ADMIN, assert_problem, count, insert
from tests.conftest import Postgres, serving
from tests.drawings import draw, encode, seven
from tests.service import Service

pytestmark = pytest.mark.long

SECRET = "between neighbours"
HOME = "203.0.113.7"
ON = {"RATE_LIMITS": "on", "PROXY_SECRET": SECRET}
GUESS = {"Authorization": "Bearer a guess"}


def sent_by(address: str = HOME, visit: UUID | None = None) -> dict[str, str]:
    """The headers that the page's server sends for a browser."""
    return {"X-Proxy-Secret": SECRET, "X-Forwarded-For": address} | ({"X-Visit": str(visit)} if visit else {})


def store_one(client: Http, headers: dict[str, str], key: UUID | None = None, data: bytes | None = None) -> Response:
    files = {"file": ("sketch.png", seven() if data is None else data, "image/png")}
    headers = headers | {"Idempotency-Key": str(key or uuid4())}
    return client.post("/submissions", files=files, data={"true_label": "7"}, headers=headers)


def assert_too_many(response: Response) -> int:
    """The seconds to wait, which the message also says."""
    assert_problem(response, 429, "TooManyRequests")
    seconds = int(response.headers["Retry-After"])
    assert seconds >= 1
    assert re.search(rf"\b{seconds} seconds?\.", response.json()["detail"])
    return seconds


@pytest.fixture
def limited(postgres: Postgres, database: Connection) -> Iterator[Any]:
    """Starts the application with limits on, as given; the usual ones otherwise."""
    with ExitStack() as stack:

        def start(**settings: str) -> Http:
            database.execute("TRUNCATE rate_limits")
            return stack.enter_context(serving(postgres.environment | ON | settings))

        yield start


@pytest.fixture(scope="module")
def two_backends(postgres: Postgres) -> Iterator[list[Service]]:
    """With a bucket of ten for an address, and one more every ten seconds."""
    settings = postgres.environment | ON | {"LIMIT_ADDRESS_WRITES": "10/100", "LIMIT_TOKEN_GUESSES": "10/100"}
    with Service(settings) as one, Service(settings) as other:
        yield [one, other]


# --- writes and guesses: exact, over all backends -----------------------------------------------------


def hammer(backends: list[Service], ask: Any) -> tuple[list[Response], float]:
    """64 requests by eight clients at once, four at each backend; the answers, and how long it took."""
    start = time.monotonic()

    def client(number: int) -> list[Response]:
        with Http(base_url=backends[number % len(backends)].client.base_url, timeout=60) as http:
            return [ask(http) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        answers = [each for some in pool.map(client, range(8)) for each in some]
    return answers, time.monotonic() - start


def test_two_backends_together_store_what_one_may_and_never_more(two_backends, database):
    database.execute("TRUNCATE rate_limits")
    answers, took = hammer(two_backends, lambda http: store_one(http, sent_by()))
    stored = [each for each in answers if each.status_code == 201]
    for refused in (each for each in answers if each.status_code != 201):
        assert_too_many(refused)
    assert 10 <= len(stored) <= 10 + took / 10
    assert count(database) == len(stored)


def test_two_backends_together_judge_no_more_guesses_than_one_may(two_backends, database):
    database.execute("TRUNCATE rate_limits")
    answers, took = hammer(two_backends, lambda http: http.get("/admin", headers=sent_by() | GUESS))
    assert {each.status_code for each in answers} == {403, 429}
    assert 10 <= sum(each.status_code == 403 for each in answers) <= 10 + took / 10


def test_while_guesses_are_limited_the_right_token_is_refused_from_that_address_only(limited):
    client = limited(LIMIT_TOKEN_GUESSES="3/3")
    for _ in range(5):  # the right one does not count
        assert client.get("/admin", headers=sent_by() | ADMIN).status_code == 204
    for _ in range(3):
        assert_problem(client.get("/admin", headers=sent_by() | GUESS), 403, "WrongToken")
    refused = client.get("/admin", headers=sent_by() | ADMIN)
    wait = assert_too_many(refused)
    assert "wrong tokens from your network" in refused.json()["detail"]
    assert_too_many(client.get("/submissions", headers=sent_by() | GUESS))
    assert client.get("/admin", headers=sent_by("203.0.113.8") | ADMIN).status_code == 204
    assert client.get("/submissions", headers=sent_by()).status_code == 200
    time.sleep(wait)
    assert client.get("/admin", headers=sent_by() | ADMIN).status_code == 204


def test_concurrent_admin_calls_do_not_deadlock(two_backends, database):
    key = uuid4()
    submission = store_one(two_backends[0].client, sent_by("203.0.113.9"), key).json()["id"]
    with ThreadPoolExecutor(40) as pool:
        path = f"/submissions/{submission}/image"
        answers = list(pool.map(lambda _: two_backends[0].client.get(path, headers=sent_by() | ADMIN), range(120)))
    assert {each.status_code for each in answers} == {200}


def test_without_a_database_no_token_is_accepted():
    with serving(ON | {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_PASSWORD": "x"}) as client:
        for token in (ADMIN, GUESS):
            assert_problem(client.get("/admin", headers=token), 503, "DatabaseUnavailable")


def test_retry_after_is_accurate(limited):
    client = limited(LIMIT_ADDRESS_WRITES="2/3")
    assert [store_one(client, sent_by()).status_code for _ in range(2)] == [201, 201]
    start = time.monotonic()
    wait = assert_too_many(store_one(client, sent_by()))
    assert wait == 2  # one more after 1.5 s
    time.sleep(max(start + wait - 0.9 - time.monotonic(), 0))
    assert_too_many(store_one(client, sent_by()))  # a second less is too early
    time.sleep(max(start + wait - time.monotonic(), 0))
    assert store_one(client, sent_by()).status_code == 201


def test_what_is_refused_leaves_nothing_and_what_is_repeated_is_answered(limited, database):
    client = limited(LIMIT_ADDRESS_WRITES="2/60")
    key = uuid4()
    first, again = store_one(client, sent_by(), key), store_one(client, sent_by(), key)
    assert first.json() == again.json()
    assert_too_many(store_one(client, sent_by()))
    assert_too_many(client.delete("/submissions", headers=sent_by() | {"Idempotency-Key": str(key)}))
    path = f"/submissions/{first.json()['id']}"
    assert_too_many(client.delete(path, headers=sent_by() | {"Idempotency-Key": str(key)}))
    assert count(database) == 1
    assert client.delete(path, headers=sent_by() | ADMIN).status_code == 204  # an admin is not limited


# --- to whom a limit applies --------------------------------------------------------------------------


def test_a_school_of_100_visits_behind_one_address_is_not_throttled(limited):
    client = limited()
    visits = [uuid4() for _ in range(100)]
    for visit in visits:  # 100 sketches in a few seconds are more than a class draws, and each is read twice before
        for _ in range(2):
            assert client.post("/predict", content=seven(), headers=sent_by(visit=visit) | PNG).status_code == 200
        assert store_one(client, sent_by(visit=visit)).status_code == 201


PNG = {"Content-Type": "image/png"}


def test_a_queue_of_200_sketches_is_slowed_down_and_arrives(limited, database):
    """As the page's queue does it: one after the other, and after a 429 the same one again when it is time."""
    client, visit, waited = limited(LIMIT_VISIT_WRITES="150/10"), uuid4(), 0
    for _ in range(200):
        key = uuid4()
        while (answer := store_one(client, sent_by(visit=visit), key)).status_code == 429:
            seconds = assert_too_many(answer)
            waited += seconds
            time.sleep(seconds)
        assert answer.status_code == 201
    assert count(database) == 200
    assert waited < 10


def test_a_new_visit_for_each_request_does_not_evade_the_address_limit(limited):
    client = limited(LIMIT_ADDRESS_WRITES="5/60", LIMIT_ADDRESS_REQUESTS="20/60")
    answers = [store_one(client, sent_by(visit=uuid4())).status_code for _ in range(8)]
    assert answers == [201] * 5 + [429] * 3
    answers = [predict_as(client, sent_by(visit=uuid4())).status_code for _ in range(20)]
    assert answers == [200] * 12 + [429] * 8


def predict_as(client: Http, headers: dict[str, str]) -> Response:
    return client.post("/predict", content=seven(), headers=PNG | headers)


def test_each_visit_has_its_own_limits(limited):
    client, visit = limited(LIMIT_VISIT_WRITES="2/60", LIMIT_VISIT_REQUESTS="5/60"), uuid4()
    assert [store_one(client, sent_by(visit=visit)).status_code for _ in range(3)] == [201, 201, 429]
    assert [predict_as(client, sent_by(visit=visit)).status_code for _ in range(3)] == [200, 200, 429]
    other = uuid4()
    assert store_one(client, sent_by(visit=other)).status_code == 201
    # another client that sends the same id, which is not secret
    assert predict_as(client, sent_by("203.0.113.8", visit)).status_code == 200


def test_headers_without_the_secret_are_ignored(two_backends, database):
    database.execute("TRUNCATE rate_limits")
    client = two_backends[0].client
    for number in range(60):
        spoofed = sent_by(f"203.0.113.{number}", uuid4()) | {"X-Proxy-Secret": ["wrong", "", SECRET[:-1]][number % 3]}
        if (answer := store_one(client, spoofed)).status_code != 201:
            break
    assert_too_many(answer)
    assert 10 <= number < 20


# --- requests: about right, in memory -----------------------------------------------------------------


def test_requests_are_refused_before_their_body_is_read(limited):
    client = limited(LIMIT_ADDRESS_REQUESTS="3/60")
    assert [predict_as(client, sent_by()).status_code for _ in range(3)] == [200] * 3
    assert_too_many(client.post("/predict", content=bytes(20_000_000), headers=PNG | sent_by()))
    assert_too_many(client.get("/submissions", headers=sent_by()))
    assert client.get("/health/live", headers=sent_by()).status_code == 200
    assert 'refused_by_limits_total{kind="address_requests"}' in client.get("/metrics", headers=sent_by()).text


def test_explanations_count_more(limited):
    client = limited(LIMIT_ADDRESS_REQUESTS="25/60")
    explain = [client.post("/explain", content=seven(), headers=PNG | sent_by()).status_code for _ in range(3)]
    assert explain == [200, 200, 429]


def test_limits_can_be_switched_off(limited):
    client = limited(RATE_LIMITS="off", LIMIT_ADDRESS_REQUESTS="1/60", LIMIT_ADDRESS_WRITES="1/60")
    assert [store_one(client, sent_by()).status_code for _ in range(4)] == [201] * 4
    assert [predict_as(client, sent_by()).status_code for _ in range(4)] == [200] * 4


def test_defaults_allow_a_script_300_pictures_a_second():
    limits, now = Buckets(Settings(_env_file=None).limit_address_requests), 0.0
    for number in range(300 * 60):
        now = number / 300
        assert limits.wait(HOME, now) <= 0
        limits.take(HOME, now)


def test_defaults_allow_a_quick_session():
    writes, reads = (
        Buckets(getattr(Settings(_env_file=None), f"limit_visit_{what}")) for what in ("writes", "requests")
    )
    for number in range(2000):  # a sketch every 0.7 s, read eight times a second
        assert writes.wait("visit", 0.7 * number) <= 0
        writes.take("visit", 0.7 * number)
    for number in range(8 * 600):
        assert reads.wait("visit", number / 8) <= 0
        reads.take("visit", number / 8)


def test_a_bucket_gives_its_content_at_once_and_then_refills():
    buckets = Buckets(Limit(100, 5))
    given = 0
    while buckets.wait("a", 1000.0) <= 0:
        buckets.take("a", 1000.0)
        given += 1
    assert given == 100
    assert buckets.wait("a", 1000.0) == pytest.approx(0.05, abs=1e-3)
    assert buckets.wait("a", 1000.06) <= 0
    assert buckets.wait("b", 1000.0, cost=1000) <= 0  # a full one has enough for everything


def test_memory_stays_bounded_with_many_clients():
    buckets = Buckets(Limit(100, 5))
    for number in range(10 * MAX_BUCKETS):
        buckets.take(number, 1000 + number * 1e-6)  # all at about the same time, so that none is full again
    assert len(buckets._full_at) <= 2 * MAX_BUCKETS + 1


def test_counting_a_request_costs_microseconds():
    limits = Limits(Settings(_env_file=None))
    clients = [Client(f"203.0.113.{number % 250}", f"visit-{number % 1000}") for number in range(1000)]
    start = time.process_time()
    for client in clients * 20:
        limits.count_request(client)
    assert (time.process_time() - start) / 20_000 < 20e-6  # usually 1.5


# --- no trace of an address ---------------------------------------------------------------------------


def test_no_address_is_in_the_database_or_in_the_log(postgres, database):
    address, visit = "198.51.100.77", uuid4()
    with Service(postgres.environment | ON | {"LOG_LEVEL": "debug", "LIMIT_ADDRESS_WRITES": "1/60"}) as service:
        for _ in range(2):
            store_one(service.client, sent_by(address, visit))
        for _ in range(12):
            service.client.get("/admin", headers=sent_by(address) | GUESS)
        metrics = service.client.get("/metrics").text
    tables = [
        row["tablename"] for row in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    assert {"rate_limits", "rate_limit_salts"} <= set(tables)
    assert database.execute("SELECT 1 FROM rate_limits").fetchone()
    for table in tables:
        rows = "".join(str(row) for row in database.execute(f"SELECT {table}::text AS row FROM {table}"))
        assert address not in rows
        assert address.encode().hex() not in rows
    assert address not in service.log
    assert str(visit) not in service.log
    assert address not in metrics


def test_the_salt_changes_each_day_and_the_one_before_is_deleted(limited, database):
    client = limited(LIMIT_ADDRESS_WRITES="1/60")
    store_one(client, sent_by())
    assert_too_many(store_one(client, sent_by()))
    [today] = database.execute("SELECT day, salt FROM rate_limit_salts").fetchall()
    database.execute("UPDATE rate_limit_salts SET day = day - 1")  # as if it were tomorrow
    client.app.state.limits._salt_until = 0
    assert store_one(client, sent_by()).status_code == 201
    [tomorrow] = database.execute("SELECT day, salt FROM rate_limit_salts").fetchall()
    assert tomorrow["day"] == today["day"]
    assert tomorrow["salt"] != today["salt"]
    assert (
        database.execute("SELECT count(DISTINCT key) AS n FROM rate_limits").fetchone()["n"] == 4
    )  # two of one address


def test_a_clock_that_was_set_back_locks_nobody_out(limited, database):
    client = limited(LIMIT_ADDRESS_WRITES="2/4", LIMIT_TOKEN_GUESSES="1/4")
    store_one(client, sent_by())
    client.get("/admin", headers=sent_by() | GUESS)
    database.execute("UPDATE rate_limits SET full_at = full_at + interval '1 day'")  # as if it were yesterday
    assert assert_too_many(store_one(client, sent_by())) <= 4
    assert assert_too_many(client.get("/admin", headers=sent_by() | ADMIN)) <= 4


def test_a_salt_is_not_kept_past_midnight(limited, monkeypatch):
    async def near_midnight(connection: object, proposed: bytes) -> tuple[bytes, float]:
        return proposed, 0.05

    client = limited()
    limits, pool = client.app.state.limits, client.app.state.pool
    monkeypatch.setattr(store.rate_limits, "renew_salt", near_midnight)
    limits._salt_until = 0
    before = client.portal.call(limits._todays_salt, pool)
    time.sleep(0.06)
    assert client.portal.call(limits._todays_salt, pool) != before


def test_rows_that_no_longer_matter_are_deleted(limited, database):
    database.execute("TRUNCATE rate_limits")
    client = limited()
    store_one(client, sent_by())
    client.get("/admin", headers=sent_by() | GUESS)
    database.execute("UPDATE rate_limits SET full_at = now() - interval '1 s' WHERE full_at < now() + interval '1 s'")
    database.execute("TRUNCATE undone")
    minutes = "INSERT INTO undone SELECT gen_random_uuid(), now() - make_interval(mins => age) FROM unnest(%s) age"
    database.execute(minutes, [[59, 61]])
    limits, pool = client.app.state.limits, client.app.state.pool
    client.portal.call(limits._tidy, pool)
    assert database.execute("SELECT count(*) AS n FROM rate_limits").fetchone()["n"] == 1
    assert database.execute("SELECT count(*) AS n FROM undone").fetchone()["n"] == 1


# --- how much is stored -------------------------------------------------------------------------------


NOISE = encode(np.random.default_rng(0).integers(0, 256, (280, 280), np.uint8))  # 79 kB


def fill(database: Connection, megabytes: float) -> None:
    for _ in range(round(megabytes * 1e6 / len(NOISE))):
        insert(database, image=NOISE, model="x")


def count_stored(client: Http) -> None:
    """As every half minute."""
    state = client.app.state
    client.portal.call(state.limits._tidy, state.pool)


def test_beyond_the_ceiling_sketches_are_refused_and_the_rest_still_works(limited, database):
    client = limited(MAX_STORED_MB="2")
    assert store_one(client, sent_by()).status_code == 201
    fill(database, 2.1)
    before = count(database)
    count_stored(client)
    key = uuid4()
    refused = store_one(client, sent_by(), key)
    assert_problem(refused, 507, "StorageFull")
    assert refused.headers["Retry-After"]
    assert "limit of stored sketches" in refused.json()["detail"]
    assert count(database) == before
    assert client.get("/health/ready").json()["database"]["detail"].startswith("ok, but no more sketches are stored")
    assert "storage_full 1.0" in client.get("/metrics").text
    assert predict_as(client, sent_by()).status_code == 200
    database.execute("DELETE FROM submissions WHERE model = 'x'")  # what it took on the disk stays for new ones
    count_stored(client)
    assert store_one(client, sent_by(), key).status_code == 201
    assert "storage_full 0.0" in client.get("/metrics").text


def test_storage_limit_holds_between_two_counts(limited, database):
    client = limited(MAX_STORED_MB="1")
    assert store_one(client, sent_by()).status_code == 201
    size = database.execute("SELECT octet_length(image) AS n FROM submissions").fetchone()["n"]
    fill(database, 0.9)
    stored = database.execute("SELECT sum(octet_length(image)) AS n FROM submissions").fetchone()["n"]
    insert(database, image=b"\x89PNG" + os.urandom(1_000_000 - stored - 4 - 5 * size // 2))  # room for two and a half
    count_stored(client)
    assert [store_one(client, sent_by()).status_code for _ in range(5)] == [201, 201, 507, 507, 507]


def test_an_import_beyond_the_ceiling_stores_nothing(limited, database):
    client = limited(MAX_STORED_MB="5")
    fill(database, 4)
    archive = client.get("/submissions/export", headers=ADMIN).content
    database.execute("DELETE FROM submissions")
    fill(database, 3)
    before = count(database)
    count_stored(client)
    headers = ADMIN | {"Content-Type": "application/zip"}
    assert_problem(client.post("/submissions/import", content=archive, headers=headers), 507, "StorageFull")
    assert count(database) == before


def test_an_import_that_is_not_stored_keeps_nobody_from_storing(limited, database):
    client = limited(MAX_STORED_MB="5")
    fill(database, 3)
    archive = client.get("/submissions/export", headers=ADMIN).content
    database.execute("UPDATE submissions SET id = gen_random_uuid()")
    count_stored(client)
    for path, status in (("/submissions/import", 507), ("/submissions/import?dry_run=true", 507)):
        answer = client.post(path, content=archive, headers=ADMIN | {"Content-Type": "application/zip"})
        assert answer.status_code == status
        assert store_one(client, sent_by()).status_code == 201
        assert client.get("/health/ready").json()["database"]["detail"] == "ok"


def test_storing_does_not_wait_for_a_count_of_all_that_is_stored(limited, database, monkeypatch):
    client = limited(MAX_STORED_MB="2")
    fill(database, 3)
    count_stored(client)

    async def slow(connection: object) -> int:
        raise AssertionError

    monkeypatch.setattr(store.submissions, "sum_images", slow)
    for _ in range(2):
        assert_problem(store_one(client, sent_by()), 507, "StorageFull")


def test_all_sketches_are_counted(limited, database, monkeypatch):
    monkeypatch.setattr(store.submissions, "PIECE", 2)
    client = limited(MAX_STORED_MB="1")
    for image in (seven(), NOISE) * 20:
        insert(database, image=image)
    count_stored(client)
    assert client.app.state.limits._stored == 20 * (len(seven()) + len(NOISE))


def rough() -> bytes:
    """A sketch of many greys, which takes 20 to 60 kB."""
    picture = np.full((280, 280), 255, np.uint8)
    picture[60:220, 60:220] = np.random.default_rng(1).integers(0, 256, (160, 160), np.uint8)
    return encode(picture)


def test_one_address_stores_a_share_of_the_room_in_a_day(limited, database):
    client, answers = limited(MAX_STORED_MB="2"), []
    while not answers or answers[-1].status_code == 201:
        answers.append(store_one(client, sent_by(visit=uuid4()), data=rough()))
    wait = assert_too_many(answers[-1])
    assert "Too many sketches from your network today" in answers[-1].json()["detail"]
    stored, size = (
        database.execute("SELECT sum(octet_length(image)) AS n, max(octet_length(image)) AS size FROM submissions")
        .fetchone()
        .values()
    )
    assert 300_000 - size < stored <= 300_000
    assert wait < size / 300_000 * 86_400 + 1
    assert store_one(client, sent_by("203.0.113.8"), data=rough()).status_code == 201


def test_a_class_of_100_may_draw_all_day():
    """For six hours, each pupil a sketch every 8 s, as limit_address_writes allows."""
    sizes = [len(imaging.to_png(imaging.read(encode(draw(digit, side))))) for digit in range(10) for side in (280, 447)]
    a_day = Limits(Settings(_env_file=None))._shared["address_bytes"]
    drawn = 100 / 8 * 6 * 3600 * np.mean(sizes)
    assert drawn < a_day.requests * (1 + 6 / 24)


# --- documentation ------------------------------------------------------------------------------------


def test_every_route_that_may_be_limited_says_so(limited):
    for path, methods in limited().get("/openapi.json").json()["paths"].items():
        for operation in methods.values():
            documented = operation["responses"].get("429")
            assert (documented is None) == path.startswith(("/health/", "/metrics")), path
            if documented:
                assert documented["headers"]["Retry-After"]["schema"] == {"type": "integer"}


@pytest.mark.parametrize("wrong", ["10", "10/0", "0/10", "-1/5", "1.5/5", "ten/minute", "10/60/2", "10/inf", "/"])
def test_an_invalid_limit_is_refused(wrong: str):
    with pytest.raises(ValueError, match="limit_token_guesses"):
        Settings(_env_file=None, limit_token_guesses=wrong)


def test_client_with_all_its_share_of_the_database_is_refused_and_others_are_not(limited, monkeypatch):
    monkeypatch.setattr("app.database.SHARE", 0)
    for path in ("/promotions", "/models"):
        assert_problem(limited().get(path, headers=sent_by()), 503, "Busy")
    client = limited()
    assert_problem(store_one(client, sent_by()), 503, "Busy")
    assert client.get("/health/ready").json()["ready"] is True
    assert client.get("/models/serving", headers=sent_by()).status_code == 200
