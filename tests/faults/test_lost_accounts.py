"""A database that is lost or rebuilt holds no accounts, and opens nothing."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.rebuild import rebuild
from tests.faults.refusals import refusal
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.servers import OrlopServer

PASSWORD = "correct horse"
SETTINGS = {"ACCESS_MODE": "accounts", "ACCESS_RULES": "signed-in may all on **"}


def orlop(data: Path, *words: str, stdin: str = "") -> str:
    command = [sys.executable, "-m", "orlop", *words, "--data", str(data)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout.strip()


def basic(secret: str, name: str = "alice") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def status(server: OrlopServer, headers: dict[str, str]) -> int:
    with Client(address_of(server)) as client:
        return client.get("/v2/", headers).status


@pytest.fixture
def data(memory: Path) -> Path:
    data = memory / "data"
    orlop(data, "user", "create", "alice", "--admin", "--password-file", "-", stdin=f"{PASSWORD}\n")
    with OrlopServer(data, **SETTINGS) as server:
        assert status(server, basic(PASSWORD)) == 200
    return data


def test_after_a_rebuild_nobody_gets_in(data: Path) -> None:
    token = orlop(data, "token", "create", "alice")
    with OrlopServer(data, **SETTINGS) as server, Client(address_of(server)) as client:
        signed = client.get("/token?service=orlop&scope=registry:catalog:*", basic(token)).json()["token"]
        assert client.get("/v2/_catalog", {"Authorization": f"Bearer {signed}"}).status == 200
    rebuild(OrlopServer(data))
    # What would make a first admin makes none where there were accounts before.
    with OrlopServer(data, ACCESS_FIRST_ADMIN="print", **SETTINGS) as server:
        for headers in (basic(PASSWORD), basic(token), {"Authorization": f"Bearer {signed}"}, {}):
            assert status(server, headers) == 401
        assert "there is no account" in server.log
        assert "with the password" not in server.log


def test_a_registry_that_had_accounts_is_not_opened_to_all(data: Path) -> None:
    assert "has had accounts" in refusal(data)
    rebuild(OrlopServer(data))
    assert "has had accounts" in refusal(data)
    with OrlopServer(data, arguments=("--allow-anonymous-push",)) as server:
        assert status(server, {}) == 200


def test_an_account_alone_is_enough_to_be_closed(memory: Path) -> None:
    """Also where no server has run with accounts yet."""
    orlop(memory / "data", "user", "create", "alice", "--password-file", "-", stdin=f"{PASSWORD}\n")
    assert "has had accounts" in refusal(memory / "data")


def test_the_first_admin_is_printed_once(memory: Path) -> None:
    with OrlopServer(memory / "data", ACCESS_FIRST_ADMIN="print", **SETTINGS) as server:
        found = re.search(r"made the account admin with the password (\S+), which", server.log)
        assert found is not None
        assert status(server, basic(found[1], "admin")) == 200
    with OrlopServer(memory / "data", ACCESS_FIRST_ADMIN="print", **SETTINGS) as server:
        assert "with the password" not in server.log
        assert status(server, basic(found[1], "admin")) == 200
    assert found[1].encode() not in (memory / "data" / "orlop.db").read_bytes()


def test_the_first_admin_s_password_may_come_from_a_file(memory: Path) -> None:
    (memory / "password").write_text(f"{PASSWORD}\n")
    settings = {"ADMIN_PASSWORD_FILE": str(memory / "password"), **SETTINGS}
    with OrlopServer(memory / "data", **settings) as server:
        assert status(server, basic(PASSWORD, "admin")) == 200
        assert PASSWORD not in server.log
    (memory / "password").write_text("another password")
    with OrlopServer(memory / "data", **settings) as server:  # it makes an account, and changes none
        assert status(server, basic(PASSWORD, "admin")) == 200
        assert status(server, basic("another password", "admin")) == 401


def test_without_an_account_there_is_no_default(memory: Path) -> None:
    with OrlopServer(memory / "data", **SETTINGS) as server:
        for name in ("admin", "root", "orlop", "alice"):
            for secret in ("", "admin", "password", "orlop", "changeme", "Harbor12345"):
                assert status(server, basic(secret, name)) in (401, 429)
        assert "orlop user create admin --admin" in server.log


def test_files_that_cannot_be_used_keep_it_from_starting(memory: Path) -> None:
    data, absent, broken = memory / "data", memory / "absent", memory / "broken"
    data.mkdir()
    broken.write_text("alice:plain\n")
    assert "cannot be read" in refused_with(data, ACCESS_HTPASSWD=str(absent))
    assert "is no NAME:HASH with bcrypt" in refused_with(data, ACCESS_HTPASSWD=str(broken))
    assert "cannot be read" in refused_with(data, ADMIN_PASSWORD_FILE=str(absent))
    broken.write_text("short\n")
    assert "too short" in refused_with(data, ADMIN_PASSWORD_FILE=str(broken))
    assert "cannot be used" in refused_with(data, TLS_CERT=str(broken), TLS_KEY=str(absent))


def refused_with(data: Path, **settings: str) -> str:
    """The one line that `serve` says with these settings."""
    environment = {f"ORLOP_{key}": value for key, value in (SETTINGS | settings).items()}
    command = [sys.executable, "-m", "orlop", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    ended = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    return line
