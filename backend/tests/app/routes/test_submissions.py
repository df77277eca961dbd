import base64
import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest
from PIL import Image

from tests.calls import ADMIN, assert_problem, count, insert, predict, submit, walk
from tests.drawings import draw, encode, photo, seven

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOME_ID = "5c1a9b3e-69a0-4798-b53c-a1a0f1ee2d7b"  # the same in every process that collects these tests


def undo(client, submission_id: str | UUID, key: UUID | str | None = None):
    return client.delete(f"/submissions/{submission_id}", headers={"Idempotency-Key": str(key)} if key else {})


# --- storing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("digit", range(10))
def test_stored_prediction_is_what_predict_says(client, digit):
    data = encode(draw(digit, slant=5))
    stored, predicted = submit(client, data, str(digit)).json(), predict(client, data).json()
    assert stored["prediction"] == predicted["digit"]
    assert stored["confidence"] == pytest.approx(predicted["confidence"], abs=1e-6)
    assert stored["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-6)
    assert (stored["unsure"], stored["model"]) == (predicted["unsure"], predicted["model"])


def test_stored_submission_is_returned_and_found_again(client, database):
    response = submit(client, seven(), "7")
    assert response.status_code == 201
    stored = response.json()
    assert (stored["true_label"], stored["correct"], stored["status"]) == (7, True, "pending")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(stored["created_at"])) < timedelta(minutes=1)
    assert client.get(f"/submissions/{stored['id']}").json() == stored
    assert client.get("/submissions").json() == {"items": [stored | {"contested": False}], "next_cursor": None}
    row = database.execute("SELECT id, prediction, true_label, correct FROM submissions").fetchone()
    assert row == {"id": UUID(stored["id"]), "prediction": 7, "true_label": 7, "correct": True}


def test_wrong_prediction_is_stored_as_wrong(client):
    assert submit(client, seven(), "1").json()["correct"] is False


def test_not_a_digit_has_no_label(client):
    stored = submit(client, seven(), "none").json()
    assert (stored["true_label"], stored["correct"], stored["prediction"]) == (None, None, 7)


def test_client_cannot_set_the_prediction(client):
    own = {
        "prediction": "3",
        "confidence": "1",
        "unsure": "true",
        "model": "mine",
        "correct": "true",
        "status": "approved",
        "digit": "3",
        "created_at": "2001-01-01",
        "id": str(uuid4()),
    }
    stored, honest = submit(client, seven(), "3", **own).json(), submit(client, seven(), "3").json()
    assert stored["prediction"] == 7
    assert stored["id"] != own["id"]
    ours = {"id", "created_at"}
    assert {k: v for k, v in stored.items() if k not in ours} == {k: v for k, v in honest.items() if k not in ours}


@pytest.mark.parametrize("label", ["11", "-1", "7.0", "07", "seven", "None", "", " ", "٧"])
def test_bad_label_is_refused(client, database, label):
    assert_problem(submit(client, seven(), label), 422, "InvalidRequest")
    assert count(database) == 0


def test_missing_parts_are_refused(client, database):
    picture = {"file": ("seven.png", seven(), "image/png")}
    assert_problem(client.post("/submissions", files=picture), 422, "InvalidRequest")
    assert_problem(client.post("/submissions", data={"true_label": "7"}), 422, "InvalidRequest")
    assert_problem(client.post("/submissions", data={"true_label": "7", "file": "seven"}), 422, "InvalidRequest")
    assert_problem(client.post("/submissions", content=seven(), headers={"Content-Type": "image/png"}), 422)
    assert_problem(submit(client, b""), 422, "MissingImage")
    assert count(database) == 0


# --- the kept image ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        seven(),
        encode(photo(draw(3, (1200, 900))), "JPEG", quality=80),
        encode(draw(8, 12, size=0.8)),
        encode(255 - draw(4, (2000, 300)), "WEBP"),
    ],
    ids=["canvas", "photo", "tiny", "wide"],
)
def test_kept_image_is_a_small_grey_png_that_gives_the_same_answer(client, data):
    stored = submit(client, data).json()
    response = client.get(f"/submissions/{stored['id']}/image")
    assert response.headers["content-type"] == "image/png"
    kept = Image.open(io.BytesIO(response.content))
    assert (kept.format, kept.mode) == ("PNG", "L")
    assert max(kept.size) <= 280
    assert predict(client, response.content).json() == predict(client, data).json()


def test_canvas_is_kept_pixel_by_pixel(client):
    drawn = draw(6)
    stored = submit(client, encode(drawn)).json()
    kept = Image.open(io.BytesIO(client.get(f"/submissions/{stored['id']}/image").content))
    assert kept.tobytes() == drawn.tobytes()


# --- sent twice -------------------------------------------------------------------------------------


def test_same_key_and_content_is_stored_once(client, database):
    key = uuid4()
    first, second = submit(client, key=key), submit(client, key=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert count(database) == 1


def test_key_may_be_written_in_any_way(client, database):
    key = uuid4()
    first = submit(client, key=key).json()
    for written in (str(key).upper(), key.hex, f"{{{key}}}"):
        assert submit(client, key=written).json() == first
    assert count(database) == 1


def test_ten_at_once_are_stored_once(client, database):
    key = uuid4()
    with ThreadPoolExecutor(10) as people:
        responses = list(people.map(lambda _: submit(client, key=key), range(10)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["id"] for response in responses}) == 1
    assert count(database) == 1


def test_ten_at_once_without_a_key_are_ten(client, database):
    with ThreadPoolExecutor(10) as people:
        responses = list(people.map(lambda _: submit(client), range(10)))
    assert {response.status_code for response in responses} == {201}
    assert count(database) == 10


@pytest.mark.parametrize(("picture", "label"), [(7, "1"), (1, "7"), (1, "1"), (7, "none")])
def test_used_key_with_other_content_is_refused(client, database, picture, label):
    key = uuid4()
    first = submit(client, seven(), "7", key).json()
    assert_problem(submit(client, encode(draw(picture)), label, key), 422, "KeyReused")
    assert client.get("/submissions").json()["items"] == [first | {"contested": False}]


def test_bad_key_is_refused(client, database):
    assert_problem(submit(client, key="not-a-uuid"), 422, "InvalidRequest")
    assert count(database) == 0


# --- undo -------------------------------------------------------------------------------------------


def test_undo_removes_the_submission(client, database):
    key = uuid4()
    stored = submit(client, key=key).json()
    response = undo(client, stored["id"], key)
    assert (response.status_code, response.content) == (204, b"")
    assert count(database) == 0
    assert_problem(client.get(f"/submissions/{stored['id']}"), 404, "SubmissionNotFound")
    assert_problem(client.get(f"/submissions/{stored['id']}/image"), 404, "SubmissionNotFound")
    assert_problem(undo(client, stored["id"], key), 404, "SubmissionNotFound")


@pytest.mark.parametrize("arrived", [True, False])
def test_request_that_arrives_after_its_undo_is_not_stored(client, database, arrived):
    key = uuid4()
    if arrived:  # at first; then it is repeated
        submit(client, key=key)
    assert client.delete("/submissions", headers={"Idempotency-Key": str(key)}).status_code == 204
    assert_problem(submit(client, key=key), 422, "KeyReused")
    assert count(database) == 0
    assert submit(client, key=uuid4()).status_code == 201


def test_request_is_not_stored_if_it_is_undone_meanwhile(client, database, postgres):
    key = uuid4()
    waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(2) as threads:
        with postgres.connect() as other, other.transaction(force_rollback=True):
            insert(other, idempotency_key=key)  # the request waits to know whether this lasts
            storing = threads.submit(submit, client, key=key)
            while database.execute(waiting).fetchone()["n"] < 1:
                assert not storing.done()
            undoing = threads.submit(client.delete, "/submissions", headers={"Idempotency-Key": str(key)})
            while database.execute(waiting).fetchone()["n"] < 2:
                assert not undoing.done()
        assert (storing.result().status_code, undoing.result().status_code) == (201, 204)
    assert count(database) == 0


def test_undo_needs_the_submission_s_own_key(client, database):
    key, other = uuid4(), uuid4()
    stored = submit(client, key=key).json()
    submit(client, key=other)
    assert_problem(undo(client, stored["id"]), 403, "NotAllowed")
    assert_problem(undo(client, stored["id"], uuid4()), 403, "NotAllowed")
    assert_problem(undo(client, stored["id"], other), 403, "NotAllowed")
    assert_problem(undo(client, stored["id"], "nonsense"), 422, "InvalidRequest")
    assert count(database) == 2


def test_submission_without_a_key_cannot_be_undone(client, database):
    stored = submit(client).json()
    assert_problem(undo(client, stored["id"], uuid4()), 403, "NotAllowed")
    assert count(database) == 1


@pytest.mark.parametrize(("minutes", "status"), [(9.5, 204), (10.5, 403), (60 * 24, 403)])
def test_undo_works_for_ten_minutes(client, database, minutes, status):
    key = uuid4()
    stored = submit(client, key=key).json()
    database.execute("UPDATE submissions SET created_at = created_at - %s", [timedelta(minutes=minutes)])
    assert undo(client, stored["id"], key).status_code == status
    assert count(database) == (status != 204)


# --- finding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/submissions/{}", "/submissions/{}/image"])
def test_unknown_id_is_not_found(client, path):
    assert_problem(client.get(path.format(uuid4())), 404, "SubmissionNotFound")


@pytest.mark.parametrize("bad", ["7", "not-a-uuid", "' OR true --", "00000000-0000-0000-0000-00000000000g"])
def test_bad_id_is_not_found(client, bad):
    for response in (client.get(f"/submissions/{bad}"), client.get(f"/submissions/{bad}/image"), undo(client, bad)):
        assert_problem(response, 404, "NotFound")


def test_newest_come_first(client, database):
    ids = [insert(database, created_at=NOON + timedelta(seconds=second)) for second in (3, 1, 2)]
    assert walk(client, 20) == [str(ids[0]), str(ids[2]), str(ids[1])]


@pytest.mark.parametrize("limit", [1, 7, 50, 100])
def test_pages_hold_each_submission_once(client, database, limit):
    dice = random.Random(0)
    rows = 30 if limit == 1 else 157
    for _ in range(rows):  # many at the very same microsecond
        insert(database, created_at=NOON + timedelta(microseconds=dice.randrange(5)))
    wanted = database.execute("SELECT id FROM submissions ORDER BY created_at DESC, id DESC").fetchall()
    assert walk(client, limit) == [str(row["id"]) for row in wanted]


def test_full_last_page_has_no_next_one(client, database):
    for _ in range(6):
        insert(database)
    assert client.get("/submissions", params={"limit": 6}).json()["next_cursor"] is None
    assert len(walk(client, 3)) == 6


def test_pages_are_not_shifted_by_what_comes_in_meanwhile(client, database):
    ids = {str(insert(database, created_at=NOON + timedelta(seconds=n))) for n in range(10)}
    page = client.get("/submissions", params={"limit": 5}).json()
    insert(database, created_at=NOON + timedelta(hours=1))
    rest = client.get("/submissions", params={"limit": 5, "cursor": page["next_cursor"]}).json()
    found = [item["id"] for item in page["items"] + rest["items"]]
    assert sorted(found) == sorted(ids)
    assert rest["next_cursor"] is None


FILTERS = [
    ({"digit": "3"}, lambda row: row["true_label"] == 3),
    ({"digit": "0"}, lambda row: row["true_label"] == 0),
    ({"digit": "none"}, lambda row: row["true_label"] is None),
    ({"predicted": "3"}, lambda row: row["prediction"] == 3),
    ({"predicted": "0"}, lambda row: row["prediction"] == 0),
    ({"correct": "true"}, lambda row: row["correct"] is True),
    ({"correct": "false"}, lambda row: row["correct"] is False),
    ({"status": "pending"}, lambda row: row["status"] == "pending"),
    ({"status": "rejected"}, lambda row: row["status"] == "rejected"),
    ({"unsure": "true"}, lambda row: row["unsure"]),
    ({"unsure": "false"}, lambda row: not row["unsure"]),
    ({"model": "b-2"}, lambda row: row["model"] == "b-2"),
    ({"model": "%"}, lambda row: False),
    (
        {"digit": "3", "correct": "false", "model": "a-1"},
        lambda row: row["true_label"] == 3 and row["correct"] is False and row["model"] == "a-1",
    ),
    ({"digit": "none", "correct": "true"}, lambda row: False),
    ({"digit": "3", "predicted": "0"}, lambda row: row["true_label"] == 3 and row["prediction"] == 0),
    ({"digit": "3", "predicted": "3"}, lambda row: row["true_label"] == 3 and row["prediction"] == 3),
    ({"digit": "3", "predicted": "3", "correct": "false"}, lambda row: False),
    (
        {"unsure": "true", "status": "approved", "model": "a-1"},
        lambda row: row["unsure"] and row["status"] == "approved" and row["model"] == "a-1",
    ),
    (
        {"digit": "3", "predicted": "0", "status": "approved"},
        lambda row: row["true_label"] == 3 and row["prediction"] == 0 and row["status"] == "approved",
    ),
]


def insert_of_each_kind(database) -> None:
    dice = random.Random(0)
    kinds = list(product((0, 3, None), (0, 3), ("pending", "approved", "rejected"), ("a-1", "b-2"), (False, True)))
    for label, prediction, status, model, unsure in dice.sample(kinds, len(kinds)):
        insert(
            database,
            true_label=label,
            prediction=prediction,
            status=status,
            model=model,
            unsure=unsure,
            confidence=dice.choice([0.1, 0.9, dice.random()]),
        )


def test_filters_leave_what_they_name(client, database):
    insert_of_each_kind(database)
    rows = database.execute("SELECT * FROM submissions ORDER BY created_at DESC, id DESC").fetchall()
    for filters, wanted in FILTERS:
        assert walk(client, 5, **filters) == [str(row["id"]) for row in rows if wanted(row)], filters


def test_filters_leave_what_they_name_of_the_likeliest_mislabelled(client, database):
    insert_of_each_kind(database)
    rows = database.execute("SELECT * FROM submissions WHERE NOT correct ORDER BY confidence DESC, id DESC").fetchall()
    for filters, wanted in FILTERS:
        found = walk(client, 5, order="mislabelled", **filters)
        assert found == [str(row["id"]) for row in rows if wanted(row)], filters


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "many"},
        {"digit": 10},
        {"predicted": 10},
        {"predicted": "none"},
        {"status": "deleted"},
        {"correct": "perhaps"},
        {"unsure": "perhaps"},
        {"order": "oldest"},
    ],
    ids=str,
)
def test_bad_filter_is_refused(client, query):
    assert_problem(client.get("/submissions", params=query), 422, "InvalidRequest")


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "AAAA",
        "é",
        "=",
        "%00",
        encoded(f"2026-03-01 {SOME_ID}")[:-6],
        encoded("2026-03-01T12:00:00+00:00"),
        encoded(f"yesterday {SOME_ID}"),
        encoded("2026-03-01T12:00:00+00:00 7"),
        encoded("' '"),
    ],
)
def test_bad_cursor_is_refused(client, cursor):
    assert_problem(client.get("/submissions", params={"cursor": cursor}), 400, "BadCursor")


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2026-03-01"])
def test_forged_cursor_breaks_nothing(client, when):
    response = client.get("/submissions", params={"cursor": encoded(f"{when} {uuid4()}")})
    assert response.status_code in (200, 400)


def test_zero_byte_in_a_filter_is_no_server_error(client):
    response = client.get("/submissions", params={"model": "a\0b"})
    assert response.status_code in (200, 422)


# --- likeliest mislabelled first --------------------------------------------------------------------


def test_surest_disagreement_comes_first(client, database):
    wrong = {confidence: insert(database, confidence=confidence, true_label=1) for confidence in (0.4, 0.99, 0.7)}
    insert(database, confidence=1.0)
    insert(database, confidence=1.0, true_label=None)
    assert walk(client, 20, order="mislabelled") == [str(wrong[confidence]) for confidence in (0.99, 0.7, 0.4)]


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_of_mislabelled_hold_each_once(client, database, limit):
    """Also those of the very same confidence, and of confidences that no decimal fraction says exactly."""
    dice = random.Random(1)
    for _ in range(30 if limit == 1 else 157):
        confidence = dice.choice([0.9, 1.0, 0.0, 1 / 3, 1e-7, 0.1 + 0.2, dice.random()])
        insert(database, confidence=confidence, true_label=1)
    wanted = database.execute("SELECT id FROM submissions ORDER BY confidence DESC, id DESC").fetchall()
    assert walk(client, limit, order="mislabelled") == [str(row["id"]) for row in wanted]


def test_cursor_of_the_other_order_is_refused(client, database):
    for confidence in (0.9, 0.5, 1.0, 0.0, 1e-5):
        insert(database, confidence=confidence, true_label=1)
    for order, other in (("newest", "mislabelled"), ("mislabelled", "newest")):
        for limit in range(1, 5):
            page = client.get("/submissions", params={"limit": limit, "order": order}).json()
            query = {"cursor": page["next_cursor"], "order": other}
            assert_problem(client.get("/submissions", params=query), 400, "BadCursor")


@pytest.mark.parametrize("place", ["nan", "inf", "-inf", "1e400", "1e300", "-0.1", "1.1", "0,9", "", "2026-03-01"])
def test_bad_cursor_of_mislabelled_is_refused(client, place):
    query = {"cursor": encoded(f"{place} {uuid4()}"), "order": "mislabelled"}
    assert_problem(client.get("/submissions", params=query), 400, "BadCursor")


def test_forged_cursor_of_mislabelled_breaks_nothing(client):
    for place in ("1e-60", "1e-45", "-0.0", "0.1e0", " 1", "1_0e-1"):
        response = client.get("/submissions", params={"cursor": encoded(f"{place} {uuid4()}"), "order": "mislabelled"})
        assert response.status_code in (200, 400)


@pytest.mark.long
@pytest.mark.parametrize("order", ["newest", "mislabelled"])
def test_pages_hold_each_once_while_others_come_in(client, database, postgres, order):
    """With every filter: each that was there at the start comes exactly once, whatever comes in meanwhile."""
    insert_of_each_kind(database)
    ended = threading.Event()

    def others() -> None:
        dice = random.Random(2)
        with postgres.connect() as connection:
            while not ended.is_set():
                moment = datetime.now(UTC) - timedelta(seconds=dice.choice([0, 0, 5 * dice.random()]))
                insert(
                    connection,
                    created_at=moment,
                    true_label=dice.choice([0, 3, None]),
                    model="a-1",
                    prediction=dice.choice([0, 3]),
                    confidence=dice.random(),
                    unsure=dice.random() < 0.5,
                    status=dice.choice(["pending", "approved", "rejected"]),
                )
                ended.wait(0.02)  # or the pages never end

    with ThreadPoolExecutor(1) as people:
        coming = people.submit(others)
        try:
            for filters, wanted in [({}, lambda row: True), *FILTERS]:
                rows = database.execute("SELECT * FROM submissions").fetchall()
                found = walk(client, 7, order=order, **filters)
                assert len(set(found)) == len(found), filters
                there = {
                    str(row["id"]) for row in rows if wanted(row) and (order == "newest" or row["correct"] is False)
                }
                assert there <= set(found), filters
        finally:
            ended.set()
        coming.result()


# --- review -----------------------------------------------------------------------------------------


def change(client, submission_id: UUID | str, **columns):
    return client.patch(f"/submissions/{submission_id}", json=columns, headers=ADMIN)


def test_submission_is_approved_and_relabelled(client, database):
    stored = submit(client, seven(), "1").json()
    changed = change(client, stored["id"], status="approved")
    assert changed.status_code == 200
    assert changed.json() == stored | {"status": "approved"}
    changed = change(client, stored["id"], true_label="7").json()
    assert changed == stored | {"status": "approved", "true_label": 7, "correct": True}
    assert change(client, stored["id"], true_label="none", status="rejected").json() == stored | {
        "status": "rejected",
        "true_label": None,
        "correct": None,
    }
    assert client.get(f"/submissions/{stored['id']}").json()["status"] == "rejected"


def test_label_may_be_a_number(client, database):
    assert change(client, insert(database), true_label=0).json()["true_label"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"true_label": None},
        {"status": None},
        {"true_label": "11"},
        {"true_label": 7.5},
        {"true_label": True},
        {"true_label": ""},
        {"status": "maybe"},
        {"status": "approved", "true_label": None},
        {"prediction": 7},
        {"status": "approved", "label": "7"},
        [],
        None,
        "approved",
    ],
    ids=str,
)
def test_bad_change_is_refused(client, database, body):
    submission_id = insert(database)
    for path, wanted in ((f"/submissions/{submission_id}", body), ("/submissions", body)):
        if path == "/submissions" and isinstance(body, dict):
            wanted = body | {"ids": [str(submission_id)]}
        assert_problem(client.patch(path, json=wanted, headers=ADMIN), 422, "InvalidRequest")
    row = database.execute("SELECT true_label, status FROM submissions").fetchone()
    assert row == {"true_label": 7, "status": "pending"}


def test_unknown_submission_cannot_be_changed(client):
    assert_problem(change(client, uuid4(), status="approved"), 404, "SubmissionNotFound")
    assert_problem(change(client, "7", status="approved"), 404, "NotFound")


@pytest.mark.long
def test_many_are_changed_at_once(client, database):
    ids = [str(insert(database)) for _ in range(200)]
    other = insert(database)
    body = {"ids": ids, "status": "rejected", "true_label": "1"}
    assert client.patch("/submissions", json=body, headers=ADMIN).json() == {"changed": 200}
    rows = database.execute("SELECT id, status, true_label FROM submissions").fetchall()
    assert {str(row["id"]) for row in rows if (row["status"], row["true_label"]) == ("rejected", 1)} == set(ids)
    assert next(row for row in rows if row["id"] == other)["status"] == "pending"


def test_those_that_are_not_there_do_not_count(client, database):
    known = str(insert(database))
    ids = [known, str(uuid4()), known, known.upper()]
    assert client.patch("/submissions", json={"ids": ids, "status": "approved"}, headers=ADMIN).json() == {"changed": 1}
    assert client.post("/submissions/delete", json={"ids": ids}, headers=ADMIN).json() == {"deleted": 1}
    assert client.post("/submissions/delete", json={"ids": ids}, headers=ADMIN).json() == {"deleted": 0}


@pytest.mark.long
def test_many_are_deleted_at_once(client, database):
    ids = [str(insert(database)) for _ in range(200)]
    other = str(insert(database))
    assert client.post("/submissions/delete", json={"ids": ids}, headers=ADMIN).json() == {"deleted": 200}
    assert walk(client, 10) == [other]


@pytest.mark.parametrize("ids", [[], ["7"], "all", None, [SOME_ID] * 201], ids=lambda ids: str(ids)[:20])
def test_bad_ids_are_refused(client, database, ids):
    insert(database)
    assert_problem(client.post("/submissions/delete", json={"ids": ids}, headers=ADMIN), 422, "InvalidRequest")
    body = {"ids": ids, "status": "approved"}
    assert_problem(client.patch("/submissions", json=body, headers=ADMIN), 422, "InvalidRequest")
    assert count(database) == 1


@pytest.mark.parametrize("path", ["/submissions", "/submissions/delete"])
def test_many_are_locked_in_one_order(client, database, postgres, path):
    """By id, in whatever order they are listed, so that concurrent changes cannot deadlock."""
    ids = sorted(insert(database) for _ in range(30))
    body = {"ids": [str(each) for each in reversed(ids)]} | ({"status": "approved"} if path == "/submissions" else {})
    method = "PATCH" if path == "/submissions" else "POST"
    waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as person, postgres.connect() as other:
        with other.transaction():
            other.execute("SELECT FROM submissions WHERE id = %s FOR UPDATE", [ids[-1]])
            change = person.submit(client.request, method, path, json=body, headers=ADMIN)
            while not database.execute(waiting).fetchone()["n"]:
                assert not change.done()
            free = database.execute("SELECT id FROM submissions WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED", [ids])
            assert free.fetchall() == []
        assert change.result().json() in ({"changed": 30}, {"deleted": 30})


def test_admin_deletes_any_submission(client, database):
    old = insert(database, created_at=NOON)
    response = client.delete(f"/submissions/{old}", headers=ADMIN)
    assert (response.status_code, response.content) == (204, b"")
    assert count(database) == 0
    assert_problem(client.delete(f"/submissions/{old}", headers=ADMIN), 404, "SubmissionNotFound")


def test_changes_are_logged(client, database, caplog):
    first, second = insert(database), insert(database)
    with caplog.at_level("INFO", "app"):
        change(client, first, status="approved")
        client.post("/submissions/delete", json={"ids": [str(second)]}, headers=ADMIN)
        client.delete(f"/submissions/{first}", headers=ADMIN)
    assert f"admin: {{'status': 'approved'}} set for {first}" in caplog.messages
    assert f"admin: 1 deleted of {second}" in caplog.messages
    assert f"admin: {first} deleted" in caplog.messages


# --- what the page needs --------------------------------------------------------------------------


def test_visit_is_stored_but_not_returned(client, database):
    visit = uuid4()
    answer = submit(client, visit=str(visit))
    assert answer.status_code == 201
    assert str(visit) not in answer.text + client.get("/submissions").text
    assert database.execute("SELECT visit FROM submissions").fetchone()["visit"] == visit
    refused = submit(client, visit="me")
    assert_problem(refused, 422, "InvalidRequest")
    assert refused.json()["detail"].startswith("visit: ")


def test_key_alone_undoes_and_reveals_nothing(client, database):
    key = uuid4()
    submit(client, key=key)
    assert client.delete("/submissions", headers={"Idempotency-Key": str(uuid4())}).status_code == 204
    assert count(database) == 1
    for _ in range(2):  # the second finds nothing, and that is fine
        assert client.delete("/submissions", headers={"Idempotency-Key": str(key)}).status_code == 204
        assert count(database) == 0
    assert_problem(client.delete("/submissions"), 422, "InvalidRequest")


def test_key_alone_undoes_nothing_after_ten_minutes(client, database):
    key = uuid4()
    submit(client, key=key)
    database.execute("UPDATE submissions SET created_at = created_at - interval '11 minutes'")
    assert_problem(client.delete("/submissions", headers={"Idempotency-Key": str(key)}), 403, "NotAllowed")
