"""What pgAdmin's container is told before it starts."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.mark.parametrize("user", ["digits", 'a "quoted" user', "back\\slash", "it's $HOME"])
def test_the_database_is_listed_as_env_names_it(tmp_path: Path, user: str):
    environment = {
        "PATH": "/usr/bin:/bin",
        "PGADMIN_SERVER_JSON_FILE": str(tmp_path / "servers.json"),
        "PGADMIN_CUSTOM_CONFIG_DISTRO_FILE": str(tmp_path / "config.py"),
        "DB_HOST": "db",
        "DB_PORT": "",
        "POSTGRES_USER": user,
        "POSTGRES_DB": "sketches",
    }
    # `true` in place of the image's own start
    subprocess.run(["sh", ROOT / "db" / "pgadmin.sh", "true"], env=environment, check=True)
    (server,) = json.loads((tmp_path / "servers.json").read_text())["Servers"].values()
    assert (server["Host"], server["Port"]) == ("db", 5432)
    assert (server["Username"], server["MaintenanceDB"]) == (user, "sketches")
    assert (tmp_path / "config.py").read_text() == ""
