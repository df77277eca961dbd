"""Makes .env, and gives one of an older release what it lacks. Says what it did. Needs no package.

    python3 db/env_file.py up        # made from .env.example if need be; secrets that it lacks; for the owner alone
    python3 db/env_file.py           # only what every use of Docker needs: COMPOSE_PROJECT_NAME

Compose keeps containers and volumes under a project's name, by default that of the folder; two checkouts whose folders
have the same name would share them. So each has its own name, in .env, where Compose looks, too.
"""

import contextlib
import os
import re
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import local

NAME = "COMPOSE_PROJECT_NAME"
ADDED = {  # secrets that one of an older release lacks, or one that was copied by hand
    "POSTGRES_PASSWORD": "the database is made with it",
    "DB_PASSWORD": "the backend signs in to the database with it",
    "PROXY_SECRET": "the page sends it, so that the backend believes which client a request is for",
}


def main(what: str = "") -> None:
    file = (local.ROOT / ".env").resolve()  # behind a link
    if what == "up":
        if not file.exists():
            make(file)
        make_private(file)
        given = local.settings()
        if given.get("DB_HOST") and not given.get("POSTGRES_PASSWORD"):
            sys.exit(f"POSTGRES_PASSWORD is empty. Set it in .env to the owner's at {given['DB_HOST']}.")
        for name, purpose in ADDED.items():
            if not local.settings().get(name):
                write(file, {name: secrets.token_hex(16)})
                print(f"Added a random {name} to .env: {purpose}.")
    if file.exists() and NAME not in local.settings():
        name_project(file)
    refuse_anothers_project()


def make(file: Path) -> None:
    """From .env.example, complete from the start, so that it is never taken for one of an older release."""
    given = {name: secrets.token_hex(16) for name in local.SECRETS}
    given[NAME] = next(iter(names_of(local.ROOT)), unique(local.ROOT))  # of one whose .env was lost: its data
    given["TRAIN_USER"] = f"{os.getuid()}:{os.getgid()}"
    write(file, given, (local.ROOT / ".env.example").read_text(encoding="utf-8"))
    print("Made .env from .env.example, with random database passwords and admin token; only you can read it.")


def make_private(file: Path) -> None:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        try:
            file.chmod(mode & 0o700)
        except PermissionError:
            print("Others than its owner can read .env, which holds secrets: chmod 600 .env", file=sys.stderr)
        else:
            print("Others could read .env, which holds secrets; now only its owner can.")


def name_project(file: Path) -> None:
    """The one that Compose called this folder's until now, where its data are; unless that is another checkout's."""
    name = by_default(local.ROOT)
    if not docker("version"):
        return  # that can wait until there is a daemon to ask
    if others(name):
        name = unique(local.ROOT)
        print(f"Another checkout has the Compose project {by_default(local.ROOT)}; this one's is {name}, in .env.")
    write(file, {NAME: name})


def refuse_anothers_project() -> None:
    name = local.settings().get(NAME)
    if name and (folders := others(name)):
        sys.exit(
            f"The Compose project {name} belongs to the checkout in {folders[0]}. If .env was copied from there: empty "
            f"{NAME} and set other ports in the copy; it then starts with its own, empty database."
        )


# --- Compose ----------------------------------------------------------------------------------------


def by_default(folder: Path) -> str:
    """What Compose calls the project of this folder where nothing else is said."""
    return re.sub("[^a-z0-9_-]", "", folder.name.lower()).lstrip("_-") or "digits"


def unique(folder: Path) -> str:
    return f"{by_default(folder)[:40]}-{secrets.token_hex(3)}"


def docker(*arguments: str) -> list[str]:
    """The lines that it says; none where it does not answer."""
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
        return done.stdout.splitlines() if done.returncode == 0 else []
    return []


def others(name: str) -> list[str]:
    """The folders, other than this one and still there, whose containers are in the project of that name."""
    label = "com.docker.compose.project.working_dir"
    folders = set(containers(f"com.docker.compose.project={name}", label))
    return sorted(folder for folder in folders if is_another(folder))


def is_another(folder: str) -> bool:
    try:
        return not local.ROOT.samefile(folder)
    except (FileNotFoundError, NotADirectoryError):
        return False  # moved, most likely to here
    except OSError:
        return True  # somebody's, whom we may not look at


def names_of(folder: Path) -> list[str]:
    """The projects whose containers were started in that folder."""
    return containers(f"com.docker.compose.project.working_dir={folder}", "com.docker.compose.project")


def containers(having: str, tell: str) -> list[str]:
    """One label of all containers, running or not, that have another."""
    lines = docker("ps", "--all", "--filter", f"label={having}", "--format", f'{{{{.Label "{tell}"}}}}')
    return [line for line in lines if line]


# --- the file ---------------------------------------------------------------------------------------


def write(file: Path, given: dict[str, str], text: str | None = None) -> None:
    """Sets these in it, or in `text`, in the place where they stand; for the owner alone, and never half of it."""
    text = file.read_text(encoding="utf-8") if text is None else text
    for name, value in given.items():
        text, found = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", text, count=1)
        if not found:
            text = f"{text.rstrip()}\n\n# added by up.sh; .env.example says what it is\n{name}={value}\n"
    new = file.with_name(file.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(f".env cannot be written or read: {error}")
