import csv
import io
import random
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest

from app.errors import PictureTooComplex
from app.imaging import _read_grey as read_grey
from app.routes.archive import AT_ONCE
from tests.app.test_archive import bomb, edited, good, zipped
from tests.calls import ADMIN, assert_problem, count, insert, submit, walk
from tests.drawings import draw, encode, photo, seven
from tests.hostile import empty_chunks, gif_junk, many_scans
from tests.service import Service

# what the ZIP holds of a submission; not who sent it
KEPT = """
    SELECT id, created_at, image, prediction, confidence::float8, unsure, probabilities::float8[], model, true_label,
           correct, status
    FROM submissions ORDER BY id
"""


def export(client, **filters):
    response = client.get("/submissions/export", params=filters, headers=ADMIN)
    assert response.status_code == 200, response.text
    return response


@contextmanager
def begun_export(service: Service) -> Iterator[Iterator[bytes]]:
    """The pieces of an export larger than what the system keeps for a reader, however late the next is asked for."""
    transport = httpx2.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
    with httpx2.Client(transport=transport, base_url=service.client.base_url, timeout=20) as slow:  # noqa: SIM117
        with slow.stream("GET", "/submissions/export", headers=ADMIN) as response:
            yield response.iter_raw()


def bring(client, data: bytes, **how):
    return client.post("/submissions/import", content=data, headers=ADMIN | how)


def came(response) -> tuple[int, int]:
    """How many were imported, and how many had been there."""
    assert response.status_code == 200, response.text
    return response.json()["imported"], response.json()["skipped"]


def rows(database) -> list[dict]:
    return database.execute(KEPT).fetchall()


def insert_all_kinds(database, number: int) -> None:
    """Fractions that no decimal says exactly, moments to the microsecond, every label and status."""
    dice = random.Random(number)
    for _ in range(number):
        odd = [0.0, 1.0, 1 / 3, 0.1, 1e-45, 1.17549435e-38, 0.1 + 0.2, *[dice.random() for _ in range(5)]]
        insert(
            database,
            image=encode(draw(dice.randrange(10), size=0.4 + 0.3 * dice.random())),
            model=dice.choice(["a-1", "b 2", '"c",3']),
            created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=dice.randrange(10**13)),
            true_label=dice.choice([None, *range(10)]),
            prediction=dice.randrange(10),
            unsure=dice.random() < 0.3,
            status=dice.choice(["pending", "approved", "rejected"]),
            confidence=dice.choice(odd),
            probabilities=dice.sample(odd, 10),
            idempotency_key=uuid4(),
        )


# --- export -----------------------------------------------------------------------------------------


def test_export_holds_every_sketch_and_its_labels(client, database):
    ids = [submit(client, encode(draw(digit)), str(digit)).json()["id"] for digit in (3, 1, 4)]
    response = export(client)
    assert response.headers["content-type"] == "application/zip"
    assert (
        response.headers["content-disposition"]
        == f'attachment; filename="submissions-{datetime.now(UTC):%Y-%m-%d}.zip"'
    )
    file = zipfile.ZipFile(io.BytesIO(response.content))
    assert file.namelist() == ["labels.csv", *[f"sketches/{each}.png" for each in reversed(ids)]]  # newest first
    for row in csv.DictReader(io.StringIO(file.read("labels.csv").decode())):
        stored = client.get(f"/submissions/{row['id']}").json()
        assert file.read(row["file"]) == client.get(f"/submissions/{row['id']}/image").content
        assert datetime.fromisoformat(row["created_at"]) == datetime.fromisoformat(stored["created_at"])
        assert [float(row[f"p{digit}"]) for digit in range(10)] == stored["probabilities"]
        assert (int(row["true_label"]), row["status"], row["model"]) == (
            stored["true_label"],
            stored["status"],
            stored["model"],
        )


def test_export_leaves_out_what_the_filters_do(client, database):
    insert_all_kinds(database, 60)
    for filters in (
        {"status": "approved"},
        {"digit": "none"},
        {"correct": "false"},
        {"unsure": "true"},
        {"model": "a-1", "status": "pending"},
        {"predicted": "3"},
        {"digit": "3", "status": "rejected"},
    ):
        names = zipfile.ZipFile(io.BytesIO(export(client, **filters).content)).namelist()
        assert names[1:] == [f"sketches/{each}.png" for each in walk(client, 50, **filters)], filters


def test_empty_export_is_an_archive(client, database):
    assert zipfile.ZipFile(io.BytesIO(export(client).content)).namelist() == ["labels.csv"]


@pytest.mark.parametrize("query", [{"digit": 10}, {"status": "deleted"}, {"model": "a\0b"}], ids=str)
def test_bad_filter_is_refused(client, query):
    assert_problem(client.get("/submissions/export", params=query, headers=ADMIN), 422, "InvalidRequest")


@pytest.mark.long
def test_export_holds_one_moment(postgres, database):
    """However long it takes, and whatever changes meanwhile."""
    large = seven() + bytes(100_000)
    before = {str(insert(database, image=large)) for _ in range(150)}
    with Service(postgres.environment) as service:
        with begun_export(service) as pieces:
            data = next(pieces)
            database.execute("DELETE FROM submissions")
            for _ in range(150):
                insert(database, image=large)
            data += b"".join(pieces)
        file = zipfile.ZipFile(io.BytesIO(data))
        labels = csv.DictReader(io.StringIO(file.read("labels.csv").decode()))
        assert {row["id"] for row in labels} == before
        assert {name[9:-4] for name in file.namelist()[1:]} == before
        assert file.testzip() is None


@pytest.mark.long
def test_export_that_nobody_takes_to_the_end_leaves_nothing_behind(postgres, database):
    for _ in range(150):
        insert(database, image=seven() + bytes(100_000))
    exporting = "SELECT count(*) AS n FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
    with Service(postgres.environment) as service:
        with begun_export(service) as pieces:
            next(pieces)
            assert database.execute(exporting).fetchone()["n"] == 1
        deadline = time.monotonic() + 5
        while database.execute(exporting).fetchone()["n"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(export(service.client).content) > 15_000_000
        service.stop()
        assert "Traceback" not in service.log
        assert "never awaited" not in service.log


@pytest.mark.long
def test_export_that_breaks_off_is_no_archive(postgres, database):
    """The client notices; the service goes on."""
    for _ in range(150):
        insert(database, image=seven() + bytes(100_000))
    with Service(postgres.environment) as service:
        with begun_export(service) as pieces:
            data = next(pieces)
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL"
                " AND pid <> pg_backend_pid()"
            )
            with pytest.raises(httpx2.TransportError):
                data += b"".join(pieces)
        assert_problem(bring(service.client, data), 422, "BadArchive")
        assert len(export(service.client).content) > 15_000_000


@pytest.mark.long
def test_many_exports_leave_connections_for_others(postgres, database):
    """Each has its own connection; those of the pool are for short requests."""
    for _ in range(100):
        insert(database, image=seven() + bytes(100_000))
    with Service(postgres.environment) as service:
        started = [service.client.build_request("GET", "/submissions/export", headers=ADMIN) for _ in range(10)]
        responses = [service.client.send(request, stream=True) for request in started]
        assert service.client.get("/submissions").status_code == 200
        for response in responses:
            response.close()


# --- there and back ---------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("as_form", [False, True], ids=["body", "form"])
def test_export_deleted_and_imported_is_the_same_to_the_byte(client, database, as_form):
    insert_all_kinds(database, 2 * AT_ONCE + 37)
    before, data = rows(database), export(client).content
    database.execute("DELETE FROM submissions")
    if as_form:
        files = {"file": ("sketches.zip", data, "application/zip")}
        response = client.post("/submissions/import", files=files, headers=ADMIN)
    else:
        response = bring(client, data, **{"Content-Type": "application/zip"})
    assert response.status_code == 200, response.text
    assert came(response) == (len(before), 0)
    assert rows(database) == before
    assert export(client).content == data
    assert came(bring(client, data)) == (0, len(before))
    assert rows(database) == before


def test_existing_submissions_stay_unchanged(client, database):
    insert_all_kinds(database, 20)
    before, data = rows(database), export(client).content
    ids = [row["id"] for row in before]
    database.execute("DELETE FROM submissions WHERE id = ANY(%s)", [ids[:5]])
    database.execute("UPDATE submissions SET true_label = 9, status = 'pending' WHERE id = %s", [ids[7]])
    changed = next(row for row in rows(database) if row["id"] == ids[7])
    assert came(bring(client, data)) == (5, 15)
    assert rows(database) == [changed if row["id"] == ids[7] else row for row in before]


def test_imported_submissions_have_no_key(client, database):
    """An export has no keys: they would allow undoing and viewing other people's submissions."""
    key = uuid4()
    stored = submit(client, key=key).json()
    data = export(client).content
    assert str(key).encode() not in data
    client.delete(f"/submissions/{stored['id']}", headers=ADMIN)
    bring(client, data)
    assert client.get(f"/submissions/{stored['id']}").json() == stored
    refused = client.delete(f"/submissions/{stored['id']}", headers={"Idempotency-Key": str(key)})
    assert_problem(refused, 403, "NotAllowed")


@pytest.mark.long
def test_same_import_twice_at_once_is_stored_once(postgres, database):
    insert_all_kinds(database, 300)
    with Service(postgres.environment) as service:
        before, data = rows(database), export(service.client).content
        database.execute("DELETE FROM submissions")
        answers = []
        people = [threading.Thread(target=lambda: answers.append(bring(service.client, data))) for _ in range(3)]
        for each in people:
            each.start()
        for each in people:
            each.join()
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert sum(answer.json()["imported"] for answer in answers) == 300
    assert rows(database) == before


def test_import_is_in_the_log(client, database, caplog):
    data = zipped(good())
    with caplog.at_level("INFO", "app"):
        bring(client, data)
    assert "admin: 3 imported, 0 were there, 0 left out" in caplog.messages


# --- refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no ZIP",
        edited("status", "maybe", 3),
        edited("file", "sketches/7.png"),
        zipped(good())[:-100],
        bomb()[0],
        edited("confidence", "1e-60"),
        edited("p0", "1e-60"),
    ],
    ids=["nothing", "text", "bad row", "no file", "cut", "bomb", "too small", "a probability too small"],
)
def test_bad_archive_is_refused_and_nothing_is_stored(client, database, data):
    for response in (
        bring(client, data),
        client.post("/submissions/import", files={"file": ("a.zip", data)}, headers=ADMIN),
    ):
        assert_problem(response, 422, "BadArchive")
    assert count(database) == 0


@pytest.mark.long
def test_one_bad_row_at_the_end_stores_nothing(client, database):
    insert_all_kinds(database, 3 * AT_ONCE)
    with zipfile.ZipFile(io.BytesIO(export(client).content)) as file:
        files = {name: file.read(name) for name in file.namelist()}
    database.execute("DELETE FROM submissions")
    last = list(files)[-1]
    assert_problem(bring(client, zipped(files | {last: b"damaged"})), 422, "BadArchive")
    assert count(database) == 0
    refused = bring(client, zipped(files | {last: encode(draw(1), "JPEG")}))
    assert f"row {3 * AT_ONCE + 1}" in refused.json()["detail"]
    assert came(bring(client, zipped(files))) == (3 * AT_ONCE, 0)


def test_form_without_a_file_is_refused(client):
    for fields in ({"data": {"other": "field"}, "files": {"another": b"PK"}}, {"files": {"other": b"PK"}}):
        assert_problem(client.post("/submissions/import", headers=ADMIN, **fields), 422, "BadArchive")


@pytest.mark.long
def test_archive_may_be_ten_times_as_large_as_a_picture(postgres, database):
    """At most 100 MB, over the wire; without the token, not that much."""
    files = good()
    padding = {f"other/{n}": random.Random(n).randbytes(1_000_000) for n in range(30)}
    with Service(postgres.environment) as service:
        assert bring(service.client, zipped(files | padding, zipfile.ZIP_STORED)).json()["imported"] == 3
        too_much = (bytes(1_000_000) for _ in range(120))
        assert_problem(bring(service.client, too_much), 413, "BodyTooLarge")
        announced = bring(service.client, bytes(101_000_000))
        assert_problem(announced, 413, "BodyTooLarge")
        assert "100 MB" in announced.json()["detail"]
        refused = service.client.post("/submissions/import", content=zipped(files | padding, zipfile.ZIP_STORED))
        assert_problem(refused, 401, "TokenMissing")
        other = service.client.post("/predict", content=bytes(11_000_000), headers={"Content-Type": "image/png"})
        assert "10 MB" in other.json()["detail"]
        assert count(database) == 3


# --- pictures ---------------------------------------------------------------------------------------

PICTURES = {
    "class/7/anna.png": seven(),
    "3-bert.jpg": encode(draw(3), "JPEG"),
    "none/house.png": encode(draw(4)),
    "1/text.png": b"no picture",
    "notes.txt": b"hello",
}


def test_pictures_by_folder_and_by_name_are_read_and_stored(client, database, model):
    response = bring(client, zipped(PICTURES))
    assert came(response) == (3, 0)
    found = response.json()
    assert found["by_label"] == {"3": 1, "7": 1, "none": 1}
    assert found["left_out"] == 2
    assert [each["file"] for each in found["examples"]] == ["1/text.png", "notes.txt"]
    stored = {(row["true_label"], row["prediction"], row["status"], row["model"]) for row in rows(database)}
    assert stored == {
        (7, 7, "pending", model.version),
        (3, 3, "pending", model.version),
        (None, 4, "pending", model.version),
    }
    assert came(bring(client, zipped(PICTURES))) == (0, 3)


def test_hostile_pictures_are_left_out_and_photos_are_not_decoded_in_the_server(client, monkeypatch):
    inside = []
    monkeypatch.setattr("app.imaging._read_grey", lambda data: inside.append(data) or read_grey(data))
    hostile_ones = {"1/a.jpg": many_scans(4000), "1/b.png": empty_chunks(1_000_000), "1/c.gif": gif_junk(1_000_000)}
    files = {"7/a.png": seven(), "3/b.jpg": encode(photo(draw(3, 900)), "JPEG")} | hostile_ones
    found = bring(client, zipped(files)).json()
    assert found["by_label"] == {"3": 1, "7": 1}
    assert {each["file"]: each["reason"] for each in found["examples"]} == dict.fromkeys(
        hostile_ones, PictureTooComplex.__doc__
    )
    assert inside == [seven()]


def test_dry_run_says_the_same_and_stores_nothing(client, database):
    for files in (PICTURES, good()):
        tried = client.post("/submissions/import", params={"dry_run": True}, content=zipped(files), headers=ADMIN)
        assert count(database) == 0
        assert tried.json() == bring(client, zipped(files)).json()
        database.execute("DELETE FROM submissions")


def test_other_zip_is_refused_with_advice(client, database):
    refused = bring(client, zipped({"anna.png": seven()}))
    assert_problem(refused, 422, "BadArchive")
    assert "7-anna.jpg" in refused.json()["detail"]
    assert count(database) == 0
