"""Each with settings of its own."""

from uuid import uuid4

import pytest

from tests.app.test_admin import CALLS, call
from tests.calls import assert_problem, submit
from tests.conftest import TOKEN, serving


@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer something", "Bearer None", f"Bearer {TOKEN}"])
def test_where_no_token_is_set_it_is_refused(postgres, authorization):
    with serving(postgres.environment | {"ADMIN_TOKEN": ""}) as client:
        for name in CALLS:
            assert_problem(call(client, name, authorization), 403, "AdminDisabled")
        stored = submit(client, key=(key := uuid4())).json()
        own = client.delete(f"/submissions/{stored['id']}", headers={"Idempotency-Key": str(key)})
        assert own.status_code == 204


def test_token_may_hold_any_letter(postgres):
    token = "schlüssel→ 7"
    with serving(postgres.environment | {"ADMIN_TOKEN": token}) as client:
        assert call(client, "GET /admin", f"Bearer {token}").status_code == 204
        assert_problem(call(client, "GET /admin", "Bearer schl?ssel? 7"), 403, "WrongToken")
