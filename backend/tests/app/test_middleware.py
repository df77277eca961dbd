"""Every request gets an id, a line in the log if it failed or was slow, and is counted in the metrics."""

import json
import logging
import re
import socket
import struct
from collections.abc import Iterator

import pytest

from app import logs
from tests import hostile
from tests.app.routes.test_health import requests, samples
from tests.calls import ADMIN, assert_problem, insert, predict, submit
from tests.conftest import TOKEN, free_port
from tests.drawings import seven
from tests.service import Service
from tests.waiting import eventually

NAME = "X-Request-ID"


def away(**more: str) -> dict[str, str]:
    """The settings of a service whose database is away."""
    return {"DB_HOST": "127.0.0.1", "DB_PORT": str(free_port()), "POSTGRES_PASSWORD": "irrelevant"} | more


def talk(service: Service, said: bytes, listen: bool = False) -> tuple[int, bytes]:
    """Sends bytes to the service and disconnects. Returns the port that it came from, and the response."""
    with socket.create_connection((service.client.base_url.host, service.client.base_url.port), timeout=5) as caller:
        caller.sendall(said)
        port, answer = caller.getsockname()[1], caller.recv(65536) if listen else b""
    return port, answer


# --- ids --------------------------------------------------------------------------------------------


def test_every_answer_has_an_id_of_its_own(client):
    answers = [client.get("/health/live"), client.get("/nowhere"), predict(client, b"no picture"), client.get("/docs")]
    names = [answer.headers[NAME] for answer in answers]
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)
    assert len(set(names)) == len(names)


def test_well_formed_id_of_the_client_is_kept(client):
    for name in ("a", "Visit-7", "x" * 64):
        assert client.get("/health/live", headers={NAME: name}).headers[NAME] == name


@pytest.mark.parametrize("name", ["", "x" * 65, "two words", "line\tbreak", "<b>", "naïve".encode()])
def test_other_ids_are_replaced(client, name):
    assert re.fullmatch("[0-9a-f]{32}", client.get("/health/live", headers={NAME: name}).headers[NAME])


# --- the log ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service that logs everything, as text."""
    with Service(away(LOG_LEVEL="debug")) as service:
        yield service


@pytest.fixture(scope="module")
def json_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that logs JSON, as in a container; /predict has a bug."""
    folder = tmp_path_factory.mktemp("broken")
    bug = "import app.main, app.routes.predict as p; p._prediction = None; app = app.main.app"
    (folder / "broken.py").write_text(bug)
    with Service(away(LOG_FORMAT="json", LOG_LEVEL="debug"), module="broken:app", path=folder) as service:
        yield service


def lines_of(service: Service, name: str) -> list[str]:
    """The lines with this request's id; the last is written after the answer."""
    assert eventually(lambda: any(f"[{name}]" in line and " ms" in line for line in service.log.splitlines()))
    return [line for line in service.log.splitlines() if f"[{name}]" in line]


def test_request_that_failed_is_one_line_with_its_id(service):
    (line,) = lines_of(service, submit(service.client).headers[NAME])
    assert re.search(r"^[\d-]{10} [\d:,]+ WARNING app: POST /submissions 503 [\d.]+ ms DatabaseUnavailable: The", line)


def test_client_errors_are_logged_at_debug_level(service):
    (line,) = lines_of(service, predict(service.client, b"no picture").headers[NAME])
    assert re.search(r" DEBUG   app: POST /predict 415 [\d.]+ ms NotAnImage: This is not a picture", line)


def test_readiness_is_asked_too_often_to_be_logged_each_time(service):
    answer = service.client.get("/health/ready")
    assert answer.status_code == 503
    (line,) = lines_of(service, answer.headers[NAME])
    assert " DEBUG " in line
    assert eventually(lambda: "WARNING app: The database is not ready. The database cannot be reached." in service.log)
    assert service.log.count("The database is not ready.") == 1


def test_slow_request_is_logged(monkeypatch, client, caplog):
    monkeypatch.setattr("app.middleware.SLOW_S", 0)
    predict(client, seven())
    (line,) = [record for record in caplog.records if "/predict" in record.message]
    assert (line.levelname, line.status, line.path) == ("INFO", 200, "/predict")
    assert line.milliseconds > 0


def test_damaged_pictures_do_not_fill_the_log(service):
    """Pillow warns of each wrong entry in EXIF data, in other words each time."""
    entries = struct.pack(">2sHIH", b"MM", 42, 8, 1) + struct.pack(">HHIII", 0x8769, 4, 1 << 20, 1 << 20, 0)
    picture = hostile.png(hostile.chunk(b"eXIf", entries))
    assert predict(service.client, picture).status_code == 200
    assert "UserWarning" not in service.log


def test_what_is_logged_meanwhile_has_the_id(service):
    service.client.get("/admin", headers={"Authorization": "Bearer wrong", NAME: "who-was-it"})
    first, second = lines_of(service, "who-was-it")
    assert "a wrong token: GET /admin" in first
    assert "GET /admin 403" in second


def test_path_cannot_forge_a_line_and_the_query_is_not_logged(service):
    for path in ("/x%0AERROR%20forged%1b[31m?token=hunter2", "/submissions?cursor=%0Aforged"):
        lines_of(service, service.client.get(path).headers[NAME])
    assert "/x%0AERROR%20forged%1B%5B31m 404" in service.log
    assert "hunter2" not in service.log
    assert not re.search("^(ERROR )?forged", service.log, re.MULTILINE)
    assert "\x1b" not in service.log


def test_control_characters_of_a_message_are_escaped():
    record = logging.LogRecord("app", logging.INFO, "", 0, "a\nb\x1b[31m\x9b", (), None)
    record.request_id = None
    assert logs._Text().format(record).endswith(r"app: a\x0ab\x1b[31m\x9b")


def test_json_log_is_one_object_a_line(json_service):
    stored, failed = submit(json_service.client).headers[NAME], predict(json_service.client, seven())
    assert_problem(failed, 500, "InternalError")
    assert eventually(lambda: json_service.log.count(failed.headers[NAME]) == 2)
    lines = [json.loads(line) for line in json_service.log.splitlines()]
    (line,) = [line for line in lines if line["request_id"] == stored]
    assert line["message"].startswith("POST /submissions 503")
    assert (line["level"], line["logger"], line["method"]) == ("WARNING", "app", "POST")
    assert (line["path"], line["status"]) == ("/submissions", 503)
    assert line["milliseconds"] > 0
    assert "DatabaseUnavailable" in line["problem"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line["time"])
    assert {"app", "_granian"} <= {line["logger"] for line in lines}


def test_bug_logs_its_traceback_with_the_id(json_service):
    name = predict(json_service.client, seven()).headers[NAME]
    assert eventually(lambda: json_service.log.count(name) == 2)
    mine = [line for line in map(json.loads, json_service.log.splitlines()) if line["request_id"] == name]
    assert [line["logger"] for line in mine] == ["app", "app"]
    assert [line["status"] for line in mine if "status" in line] == [500]
    assert ["TypeError" in line["traceback"] for line in mine if "traceback" in line] == [True]


def test_addresses_are_never_logged(service):
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    calls = [
        b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /predict?secret=hunter2 HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n",
        b"this is no HTTP\r\n\r\n",
    ]
    ports, answers = zip(*(talk(service, said, listen=True) for said in calls), strict=True)
    assert [answer.split()[1] for answer in answers] == [b"200", b"405", b"400"]
    assert eventually(lambda: "GET /predict 405" in service.log)
    assert not [port for port in ports if f":{port}" in service.log]
    assert "hunter2" not in service.log


# --- disconnects ------------------------------------------------------------------------------------


def cut_off(path: str, kind: str) -> bytes:
    """A request of which only the beginning arrives."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 5000\r\n"
    part = 'Content-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    return f"{head}Authorization: Bearer {TOKEN}\r\n\r\n--x\r\n{part}".encode() + bytes(100)


FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/predict", "image/png"),
        ("/explain", FORM),
        ("/submissions", FORM),
        ("/submissions/import", "application/zip"),
        ("/submissions/delete", "application/json"),
    ],
)
def test_client_that_hangs_up_is_logged_in_one_line_without_an_error(service, path, kind):
    talk(service, cut_off(path, kind))
    assert eventually(lambda: f"POST {path} 499" in service.log)
    found = samples(service.client)
    assert requests(found, route=path, method="POST", status="499") == 1
    assert not [labels for name, *labels in found if ("route", path) in labels and ("status", "500") in labels]
    assert len(re.findall(f" INFO    app: POST {path} 499 ", service.log)) == 1
    assert "Traceback" not in service.log


@pytest.mark.long
def test_client_that_hangs_up_during_an_export_leaves_no_traceback(postgres, database):
    for number in range(300):
        insert(database, image=seven() + bytes(20_000), model=f"model {number}")
    with Service(postgres.environment) as service:
        head = f"GET /submissions/export HTTP/1.1\r\nHost: x\r\nAuthorization: {ADMIN['Authorization']}\r\n\r\n"
        talk(service, head.encode(), listen=True)
        assert eventually(lambda: "/submissions/export" in service.client.get("/metrics").text)
        assert service.client.get("/submissions").status_code == 200
        service.stop()
        assert "Traceback" not in service.log
