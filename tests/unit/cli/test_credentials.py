"""Credentials are taken from where docker and podman keep them, and go nowhere else."""

import base64
import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from orlop.cli.credentials import authorization

HOST = "registry.example.com:5000"
PAIR = base64.b64encode(b"alice:secret").decode()


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    return {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / ".docker"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


@pytest.mark.parametrize("place", [".docker/config.json", ".config/containers/auth.json", "run/containers/auth.json"])
@pytest.mark.parametrize("key", [HOST, f"https://{HOST}"])
def test_a_password(home: Mapping[str, str], tmp_path: Path, place: str, key: str) -> None:
    write(tmp_path / place, {"auths": {key: {"auth": PAIR}, "another.example.com": {"auth": "eDp5"}}})
    assert authorization(HOST, home) == f"Basic {PAIR}"


def test_what_the_environment_names_comes_first(home: Mapping[str, str], tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {HOST: {"auth": "eDp5"}}})
    write(tmp_path / "mine.json", {"auths": {HOST: {"auth": PAIR}}})
    assert authorization(HOST, {**home, "REGISTRY_AUTH_FILE": str(tmp_path / "mine.json")}) == f"Basic {PAIR}"


def test_an_identity_token(home: Mapping[str, str], tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {HOST: {"auth": "YWxpY2U6", "identitytoken": "orlop_1"}}})
    assert authorization(HOST, home) == "Bearer orlop_1"


@pytest.mark.parametrize(
    "document",
    ["", "no JSON", "[]", "{}", {"auths": []}, {"auths": {HOST: 1}}, {"auths": {HOST: {}}}, {"credsStore": "../x"}],
)
def test_no_credentials(home: Mapping[str, str], tmp_path: Path, document: object) -> None:
    write(tmp_path / ".docker/config.json", document)
    assert authorization(HOST, home) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"Username": "alice", "Secret": "secret"}, f"Basic {PAIR}"),
        ({"Username": "<token>", "Secret": "orlop_1"}, "Bearer orlop_1"),
        ({"Username": "alice"}, None),
        ("credentials not found", None),
    ],
)
@pytest.mark.parametrize("by", ["credsStore", "credHelpers"])
def test_a_credential_helper(
    home: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: object,
    expected: str | None,
    by: str,
) -> None:
    told = answer if isinstance(answer, str) else json.dumps(answer)
    program = tmp_path / "bin" / "docker-credential-mine"
    write(program, f'#!/bin/sh\n[ "$1" = get ] && [ "$(cat)" = {HOST} ] && echo \'{told}\'\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    write(tmp_path / ".docker/config.json", {by: "mine" if by == "credsStore" else {HOST: "mine"}})
    assert authorization(HOST, home) == expected
