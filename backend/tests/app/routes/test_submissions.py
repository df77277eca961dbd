import base64
import io
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from PIL import Image

from tests.calls import assert_problem, count, insert, predict, submit
from tests.drawings import draw, encode, photo, seven

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def walk(client, limit: int, **filters) -> list[str]:
    """The ids of all pages, in order."""
    ids, cursor = [], None
    while True:
        page = client.get("/submissions", params={"limit": limit, **filters, **({"cursor": cursor} if cursor else {})})
        assert page.status_code == 200, page.text
        items, cursor = page.json()["items"], page.json()["next_cursor"]
        assert len(items) == limit if cursor else len(items) <= limit
        ids += [item["id"] for item in items]
        if not cursor:
            return ids


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
    assert client.get("/submissions").json() == {"items": [stored], "next_cursor": None}
    row = database.execute("SELECT id, prediction, true_label, correct FROM submissions").fetchone()
    assert row == {"id": UUID(stored["id"]), "prediction": 7, "true_label": 7, "correct": True}


def test_wrong_prediction_is_stored_as_wrong(client):
    assert submit(client, seven(), "1").json()["correct"] is False


def test_not_a_digit_has_no_label(client):
    stored = submit(client, seven(), "none").json()
    assert (stored["true_label"], stored["correct"], stored["prediction"]) == (None, None, 7)


def test_client_cannot_set_the_prediction(client):
    own = {"prediction": "3", "confidence": "1", "unsure": "true", "model": "mine", "correct": "true",
           "status": "approved", "digit": "3", "created_at": "2001-01-01", "id": str(uuid4())}  # fmt: skip
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
    [seven(), encode(photo(draw(3, (1200, 900))), "JPEG", quality=80), encode(draw(8, 12, size=0.8)),
     encode(255 - draw(4, (2000, 300)), "WEBP")],
    ids=["canvas", "photo", "tiny", "wide"],
)  # fmt: skip
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
    assert client.get("/submissions").json()["items"] == [first]


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


def test_after_undo_the_key_may_be_used_again(client, database):
    key = uuid4()
    undo(client, submit(client, seven(), "1", key).json()["id"], key)
    assert submit(client, seven(), "7", key).json()["true_label"] == 7
    assert count(database) == 1


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
def test_bad_id_is_refused(client, bad):
    for response in (client.get(f"/submissions/{bad}"), client.get(f"/submissions/{bad}/image"), undo(client, bad)):
        assert_problem(response, 422, "InvalidRequest")


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
    ({"model": "b-2"}, lambda row: row["model"] == "b-2"),
    ({"model": "%"}, lambda row: False),
    ({"digit": "3", "correct": "false", "model": "a-1"},
     lambda row: row["true_label"] == 3 and row["correct"] is False and row["model"] == "a-1"),
    ({"digit": "none", "correct": "true"}, lambda row: False),
    ({"digit": "3", "predicted": "0", "status": "approved"},
     lambda row: row["true_label"] == 3 and row["prediction"] == 0 and row["status"] == "approved"),
]  # fmt: skip


def test_filters_leave_what_they_name(client, database):
    for label in (0, 3, None):
        for prediction in (0, 3):
            for status in ("pending", "approved", "rejected"):
                for model in ("a-1", "b-2"):
                    insert(database, true_label=label, prediction=prediction, status=status, model=model)
    rows = database.execute("SELECT * FROM submissions ORDER BY created_at DESC, id DESC").fetchall()
    for filters, wanted in FILTERS:
        assert walk(client, 5, **filters) == [str(row["id"]) for row in rows if wanted(row)], filters


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 101}, {"limit": "many"}, {"digit": 10}, {"predicted": 10}, {"predicted": "none"},
     {"status": "deleted"}, {"correct": "perhaps"}],
    ids=str,
)  # fmt: skip
def test_bad_filter_is_refused(client, query):
    assert_problem(client.get("/submissions", params=query), 422, "InvalidRequest")


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "AAAA", "é", "=", "%00", encoded(f"2026-03-01 {uuid4()}")[:-6], encoded("2026-03-01T12:00:00+00:00"),
     encoded(f"yesterday {uuid4()}"), encoded("2026-03-01T12:00:00+00:00 7"), encoded("' '")],
)  # fmt: skip
def test_bad_cursor_is_refused(client, cursor):
    assert_problem(client.get("/submissions", params={"cursor": cursor}), 400, "BadCursor")


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2026-03-01"])
def test_forged_cursor_breaks_nothing(client, when):
    response = client.get("/submissions", params={"cursor": encoded(f"{when} {uuid4()}")})
    assert response.status_code in (200, 400)


def test_zero_byte_in_a_filter_is_no_server_error(client):
    response = client.get("/submissions", params={"model": "a\0b"})
    assert response.status_code in (200, 422)
