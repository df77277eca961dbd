"""What the README says is true: its routes, its settings, its commands."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from app.config import Settings
from app.main import app
from tests.calls import predict
from tests.conftest import TOKEN
from tests.drawings import seven

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
SCHEMA = app.openapi()["paths"]
ROUTES = [f"{method.upper()} {path}" for path, methods in SCHEMA.items() for method in methods]


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_in_the_readme(route: str):
    assert f"`{route}`" in README


def test_every_route_in_the_readme_exists():
    assert set(re.findall(r"`((?:GET|POST|PATCH|DELETE|PUT) /[^`?]*)`", README)) == set(ROUTES)


def test_every_setting_is_in_the_readme():
    example = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    table = README.split("## Configuration")[1].split("## ")[0]
    assert set(re.findall(r"`([A-Z_]{4,})`", table.split("**A database")[0])) == set(example)
    assert {name.upper() for name in Settings.model_fields} <= set(example)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("curl")])
def test_every_curl_command_of_the_readme_works(command: str, client):
    words = shlex.split(command.replace("$ADMIN_TOKEN", TOKEN))
    url = next(word for word in words if "localhost:8000" in word).split("localhost:8000")[1]
    options = dict(pairwise(words))
    headers = dict([options["-H"].split(": ")]) if "-H" in options else {}
    forms = [word.split("=", 1) for flag, word in pairwise(words) if flag == "-F"]
    files = {name: (ROOT / value[1:]).open("rb") for name, value in forms if value.startswith("@")}
    fields = {name: value for name, value in forms if not value.startswith("@")}
    if "--data-binary" in options:
        answer = client.post(url, content=(ROOT / options["--data-binary"][1:]).read_bytes(), headers=headers)
    elif forms:
        answer = client.post(url, files=files, data=fields)
    else:
        answer = client.get(url, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    if "seven" in command and "predict" in command:
        assert answer.json()["digit"] == 7


def test_every_script_that_the_readme_names_is_there():
    for command in COMMANDS:
        for word in shlex.split(command):
            if word.endswith((".sh", ".py")):
                assert (ROOT / word).exists() or (ROOT / "backend" / word).exists(), command


def test_every_file_that_the_readme_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", ["docs/monitoring.md", "docs/alerts.yml"])
def test_every_series_that_is_queried_exists(page: str, client):
    predict(client, seven())
    known = set(re.findall(r"^(\w+)", client.get("/metrics").text, re.MULTILINE)) | {"up"}
    text = (ROOT / page).read_text()
    queried = set(re.findall(r"\b(up|\w+_(?:total|ready|refused|bucket|sum|count|bytes|seconds))\b", text))
    assert len(queried) > 5
    assert queried <= known
