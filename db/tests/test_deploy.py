"""What deploy/ has for several replicas is valid; the Terraform, as far as that can be seen without its provider."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from test_compose import docker_answers

import local

DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path.name for path in DEPLOY.glob("compose.*.yml"))
SECRETS = ["POSTGRES_PASSWORD", "DB_PASSWORD", "ADMIN_TOKEN", "PROXY_SECRET"]
TERRAFORM = sorted((DEPLOY / "cloud-run").glob("*.tf"))

needs_docker = pytest.mark.skipif(
    not docker_answers() and not os.environ.get("REQUIRE_DOCKER"), reason="no Docker daemon answers"
)


def run(*command: str | Path, **settings: str) -> str:
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_docker
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_compose_accepts_the_overlay(overlay: str):
    secrets = dict.fromkeys(SECRETS, "x") | {f"{name}_FILE": "LICENSE" for name in SECRETS}
    files = ["-f", "docker-compose.yml", "-f", f"deploy/{overlay}"]
    run("docker", "compose", "--env-file", ".env.example", *files, "--profile", "train", "config", "--quiet", **secrets)


@needs_docker
def test_swarm_accepts_the_stack():
    run("docker", "stack", "config", "--compose-file", "deploy/stack.yml")


@pytest.mark.parametrize("file", ["docker-compose.yml", "deploy/stack.yml"])
def test_backend_gets_every_setting(file: str):
    config = (ROOT / "backend/app/config.py").read_text()
    settings = {
        name.upper() for name in re.findall(r"^    (\w+): ", config.partition("class Settings")[2], re.MULTILINE)
    }
    text = (ROOT / file).read_text()
    backend = text[text.index("\n  backend:") : text.index("\n  frontend:")]
    given = set(re.findall(r"^ +([A-Z_]+): ", text.partition("\nservices:")[0] + backend, re.MULTILINE))
    given |= {name.removesuffix("_FILE") for name in given}
    assert {"GALLERY", "LIMIT_VISIT_WRITES"} < settings
    of_trainers = {"RETRAIN_AFTER"}
    usual = {"DB_PORT", "POSTGRES_DB", "DB_USER"} if "stack" in file else set()
    secrets = {name for name in settings if name.endswith("_FILE")}
    assert settings - secrets - of_trainers - usual <= given


@needs_docker
@pytest.mark.parametrize("domain", [":80", "digits.example.org"])
def test_caddy_accepts_its_configuration(domain: str):
    file = "/etc/caddy/Caddyfile"
    run(
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "-e",
        f"DOMAIN={domain}",
        "-v",
        f"{DEPLOY}/Caddyfile:{file}:ro",
        "caddy:2",
        "caddy",
        "validate",
        "--config",
        file,
        "--adapter",
        "caddyfile",
    )


@pytest.mark.skipif(not shutil.which("terraform"), reason="there is no Terraform here")
def test_terraform_is_formatted():
    run("terraform", f"-chdir={DEPLOY / 'cloud-run'}", "fmt", "-check", "-diff")


def test_terraform_sets_what_the_services_know():
    known = set(local.read_env(ROOT / ".env.example")) | {"PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE"}
    services = (DEPLOY / "cloud-run/services.tf").read_text()
    names = set(re.findall(r"\b([A-Z]{2,}_?[A-Z_]*) += ", services)) | set(re.findall(r'name += "([A-Z_]+)"', services))
    assert {"DB_HOST", "PGHOST", "PROXY_SECRET"} <= names <= known


def test_every_variable_of_the_terraform_is_declared_and_used():
    text = "\n".join(path.read_text() for path in TERRAFORM)
    assert set(re.findall(r"\bvar\.(\w+)", text)) == set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
