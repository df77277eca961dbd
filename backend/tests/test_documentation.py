"""What README.md and docs/ say is true: routes, settings, links, and every command that is not marked as untested."""

import io
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from functools import cache, partial, reduce
from itertools import pairwise
from pathlib import Path

import pytest

from app.config import BACKEND, Settings
from app.main import app
from tests.calls import predict
from tests.conftest import TOKEN
from tests.drawings import seven
from tests.models import candidate, store_model

ROOT = BACKEND.parent
DOCS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
PAGES = [*DOCS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "deploy" / "cloud-run" / "README.md"]
TEXT = "\n".join(page.read_text() for page in DOCS)
TABLES = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)  # and prose: all but blocks of code
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)  # not those marked `bash untested`
SCHEMA = app.openapi()["paths"]
ROUTES = [f"{method.upper()} {path}" for path, methods in SCHEMA.items() for method in methods]
GROUPS = tomllib.loads((BACKEND / "pyproject.toml").read_text())["dependency-groups"]


def commands() -> list[str]:
    """Each command of the blocks, and of the sentences and tables those that run a script."""
    text = "\n".join(page.read_text() for page in [*DOCS, ROOT / "CONTRIBUTING.md"])
    lines = [line.split("  #")[0].strip() for block in BLOCK.findall(text) for line in block.splitlines()]
    inline = re.findall(r"`((?:uv run|\./up\.sh|\./test\.sh) [^`]+)`", TABLES)
    return sorted({part.strip() for line in [*lines, *inline] if line for part in line.split("&&")})


COMMANDS = commands()
CURLS = [command for command in COMMANDS if command.startswith("curl ")]
SCRIPTS = [command for command in COMMANDS if "uv run " in command]
OTHERS = sorted({*COMMANDS} - {*CURLS} - {*SCRIPTS})


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


def test_every_route_is_documented():
    assert set(re.findall(r"`((?:GET|POST|PATCH|DELETE|PUT) /[^`?]*)`", TEXT)) == set(ROUTES)


def test_every_setting_is_documented():
    example = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    page = (ROOT / "docs" / "configuration.md").read_text()
    names = [cell for cell in re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE) if "`" in cell]
    assert set(re.findall(r"`([A-Z_]+)`", " ".join(names))) == set(example)
    assert {name.upper() for name in Settings.model_fields} <= set(example)


# --- links ----------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_is_linked_from_the_readme():
    linked = set(re.findall(r"\]\((docs/[^)#]+\.md)", (ROOT / "README.md").read_text()))
    assert linked == {str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md")}


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", CURLS)
def test_every_curl_command_works(command: str, client, database):
    version = store_model(database, candidate(1))
    stored = client.post(
        "/submissions", files={"file": (BACKEND / "examples/seven.png").read_bytes()}, data={"true_label": "7"}
    ).json()["id"]
    values = {"$ADMIN_TOKEN": TOKEN, "VERSION": version, "/ID": f"/{stored}"}
    words = shlex.split(reduce(lambda text, value: text.replace(*value), values.items(), command))
    url = next(word for word in words if "localhost:8000" in word).split("localhost:8000")[1]
    options = dict(pairwise(words))
    headers = dict([options["-H"].split(": ")]) if "-H" in options else {}
    if "--json" in options:
        headers["Content-Type"] = "application/json"
    forms = [word.split("=", 1) for flag, word in pairwise(words) if flag == "-F"]
    content = (
        (ROOT / options["--data-binary"][1:]).read_bytes() if "--data-binary" in options else options.get("--json")
    )
    method = options.get("-X", "POST" if content or forms else "GET")
    files = {name: (ROOT / value[1:]).open("rb") for name, value in forms if value.startswith("@")}
    fields = {name: value for name, value in forms if not value.startswith("@")}
    answer = client.request(method, url, content=content, files=files, data=fields, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    if "seven" in command and "predict" in command:
        assert answer.json()["digit"] == 7


@cache
def usage(script: str) -> str:
    """The options that `python SCRIPT --help` lists first. `script`: a file in backend/, or a module."""
    run = (
        partial(runpy.run_path, str(BACKEND / script)) if script.endswith(".py") else partial(runpy.run_module, script)
    )
    with redirect_stdout(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, "--help"])
        with pytest.raises(SystemExit):
            run(run_name="__main__")
    return said.getvalue().split("\n\n")[0]


@pytest.mark.long
@pytest.mark.parametrize("command", SCRIPTS)
def test_every_script_has_these_options(command: str):
    words = shlex.split(command)
    words = words[words.index("run") + 1 :]
    while words[0].startswith("--"):
        option, value, *words = words
        assert value in GROUPS or option != "--group"
    for path in [word for word in words if word.endswith((".py", ".ipynb"))]:
        assert (BACKEND / path).exists() or (ROOT / "frontend" / path).exists(), path
    options = [word.split("=")[0] for word in words if word.startswith("--") and word != "--help"]
    if words[0] != "python":
        assert words[0] in ("pytest", "ruff", "mlflow", "jupyter")
    elif options:
        known = usage(words[2] if words[1] == "-m" else words[1])
        assert [option for option in options if not re.search(rf"{option}\b", known)] == []


@pytest.mark.parametrize("command", OTHERS)
def test_every_other_command_can_be_run(command: str, tmp_path: Path):
    words = shlex.split(command)
    if words[0] in ("./up.sh", "./upforce.sh", "./test.sh"):
        text = (ROOT / words[0]).read_text()
        own = words[1:] if "--psql" not in words else words[1 : words.index("--psql") + 1]
        assert all(word in text for word in own if re.fullmatch(r"-?-?[a-z-]+", word)), command
    elif words[0].startswith("ADMIN_TOKEN="):
        (tmp_path / ".env").write_text(f"ADMIN_TOKEN={TOKEN}\n")
        script = f"{command}; printf %s $ADMIN_TOKEN"
        assert subprocess.check_output(["bash", "-c", script], cwd=tmp_path, text=True) == TOKEN
    elif words[0] == "cd":
        assert (ROOT / words[1]).is_dir()
    else:
        assert command in ("uv sync", "git pull"), command


@pytest.mark.parametrize("statement", re.findall(r"^SELECT .*;$", TEXT, re.MULTILINE))
def test_every_query_can_be_run(statement: str, database):
    assert database.execute(statement).description


@pytest.mark.parametrize("page", ["docs/monitoring.md", "docs/alerts.yml"])
def test_every_series_that_is_queried_exists(page: str, client):
    predict(client, seven())
    known = set(re.findall(r"^(\w+)", client.get("/metrics").text, re.MULTILINE)) | {"up"}
    text = (ROOT / page).read_text()
    queried = set(re.findall(r"\b(up|\w+_(?:total|ready|refused|bucket|sum|count|bytes|seconds))\b", text))
    assert len(queried) > 5
    assert queried <= known
