"""GET /submissions and below with GALLERY=approved: what visitors, senders and admins see."""

import io
import zipfile
from uuid import uuid4

import pytest

from tests.calls import ADMIN, assert_problem, insert, submit, walk
from tests.conftest import empty, serving
from tests.waiting import eventually

STATUSES = ("pending", "approved", "rejected")


@pytest.fixture(scope="module")
def application(postgres, model):
    with postgres.connect() as connection:  # a model that another module promoted must not serve here
        empty(connection, model.version)
    with serving(postgres.environment | {"GALLERY": "approved"}) as client:
        yield client


@pytest.fixture
def ids(database) -> dict[str, str]:
    """One of each status, wrong ones, so that both orders hold them."""
    return {status: str(insert(database, status=status, true_label=1, unsure=True)) for status in STATUSES}


@pytest.mark.parametrize("order", ["newest", "mislabelled"])
def test_visitors_are_shown_approved_ones_alone(client, ids, order):
    for filters in (
        {},
        {"digit": "1"},
        {"predicted": "7"},
        {"unsure": "true"},
        {"model": "test-model"},
        {"correct": "false"},
        {"status": "approved"},
    ):
        assert walk(client, 20, order=order, **filters) == [ids["approved"]], filters
    for status in ("pending", "rejected"):
        assert walk(client, 20, order=order, status=status) == []


@pytest.mark.parametrize("order", ["newest", "mislabelled"])
def test_with_the_token_all_are_shown(client, ids, order):
    assert set(walk(client, 1, ADMIN, order=order)) == set(ids.values())
    for status, submission_id in ids.items():
        assert walk(client, 20, ADMIN, order=order, status=status) == [submission_id]


@pytest.mark.parametrize("path", ["/submissions/{}", "/submissions/{}/image"])
def test_of_the_rest_a_visitor_learns_nothing(client, ids, path):
    for status, submission_id in ids.items():
        shown = client.get(path.format(submission_id))
        if status == "approved":
            assert shown.status_code == 200
        else:
            assert_problem(shown, 404, "SubmissionNotFound")
            assert shown.json() == client.get(path.format(uuid4())).json()
        assert client.get(path.format(submission_id), headers=ADMIN).status_code == 200
        assert_problem(
            client.get(path.format(submission_id), headers={"Authorization": "Bearer no"}), 403, "WrongToken"
        )


def test_hidden_submission_cannot_be_deleted_either(client, ids):
    for status, submission_id in ids.items():
        refused = client.delete(f"/submissions/{submission_id}", headers={"Idempotency-Key": str(uuid4())})
        if status == "approved":
            assert_problem(refused, 403, "NotAllowed")
        else:
            assert_problem(refused, 404, "SubmissionNotFound")


@pytest.mark.parametrize("path", ["/submissions/{}", "/submissions/{}/image"])
def test_sender_sees_their_own(client, database, path):
    key = uuid4()
    mine, other = submit(client, key=key).json()["id"], submit(client, key=uuid4()).json()["id"]
    for header in (str(key), str(key).upper()):
        assert client.get(path.format(mine), headers={"Idempotency-Key": header}).status_code == 200
        assert_problem(client.get(path.format(other), headers={"Idempotency-Key": header}), 404, "SubmissionNotFound")
    assert_problem(client.get(path.format(mine)), 404, "SubmissionNotFound")
    assert_problem(client.get(path.format(mine), headers={"Idempotency-Key": "7"}), 422, "InvalidRequest")


def test_submission_without_a_key_belongs_to_no_sender(client, ids):
    for key in ("00000000-0000-0000-0000-000000000000", str(uuid4())):
        shown = client.get(f"/submissions/{ids['pending']}", headers={"Idempotency-Key": key})
        assert_problem(shown, 404, "SubmissionNotFound")


def test_sender_can_still_undo(client, database):
    key = uuid4()
    mine = submit(client, key=key).json()["id"]
    assert client.delete(f"/submissions/{mine}", headers={"Idempotency-Key": str(key)}).status_code == 204


def test_late_undo_is_refused(client, database):
    key = uuid4()
    mine = submit(client, key=key).json()["id"]
    database.execute("UPDATE submissions SET created_at = created_at - interval '11 minutes'")
    late = client.delete(f"/submissions/{mine}", headers={"Idempotency-Key": str(key)})
    assert_problem(late, 403, "NotAllowed")


def test_approved_one_is_shown_from_then_on(client, ids):
    path = f"/submissions/{ids['pending']}"
    client.patch(path, json={"status": "approved"}, headers=ADMIN)
    assert client.get(path).status_code == 200
    assert set(walk(client, 20)) == {ids["pending"], ids["approved"]}
    client.patch(path, json={"status": "rejected"}, headers=ADMIN)
    assert_problem(client.get(path), 404, "SubmissionNotFound")


def test_statistics_are_of_approved_ones_alone(client, ids):
    shown = client.get("/statistics").json()
    assert (shown["total"], shown["digits"], shown["unsure"]) == (1, 1, 1)
    assert shown["confusion_matrix"][1][7] == 1
    for name in ("confidence_bins", "by_day", "by_model", "by_day_and_model", "per_digit"):
        assert sum(each["submissions"] for each in shown[name]) == 1, name
    with_token = client.get("/statistics", headers=ADMIN).json()
    assert with_token["total"] == with_token["confusion_matrix"][1][7] == 2  # a rejected one counts nowhere
    for name in ("confidence_bins", "by_day", "by_model", "by_day_and_model", "per_digit"):
        assert sum(each["submissions"] for each in with_token[name]) == 2, name


def test_models_are_judged_by_approved_ones_alone(client, database, model):
    for status in STATUSES:
        insert(database, status=status, model=model.version)
    assert eventually(lambda: bool(client.get("/models").json()))  # the backend registers its model in the background
    assert [each["submissions"] for each in client.get("/models").json()] == [1]
    assert [each["submissions"] for each in client.get("/models", headers=ADMIN).json()] == [2]


def test_export_holds_all(client, ids):
    exported = client.get("/submissions/export", headers=ADMIN).content
    assert len(zipfile.ZipFile(io.BytesIO(exported)).namelist()) == 1 + len(ids)
