"""`orlop config`."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orlop.cli import main


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORLOP_CONFIG", "")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_check_says_ok_for_the_file_that_serve_would_read(tmp_path: Path) -> None:
    file = tmp_path / "orlop.toml"
    file.write_text('data = "/srv/orlop"')
    assert run("config", "check", file).output == f"ok: {file}\n"
    assert json.loads(run("config", "check", file, "--json").output) == {"ok": True, "file": str(file)}
    assert run("config", "check").output == "ok: no file, environment and defaults\n"


def test_check_tells_every_mistake_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "orlop.toml"
    file.write_text('data = ""\n[storage]\nulr = 1')
    result = run("config", "check", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"orlop: {file}:3: unknown setting storage.ulr; did you mean storage.url?",
        f'orlop: {file}:1: data = "": must not be empty; leave the setting out for its default',
    ]


def test_check_refuses_what_serve_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORLOP_LISTEN", "0.0.0.0:5000")
    result = run("config", "check")
    assert result.exit_code == 2
    assert "--allow-anonymous-push" in result.stderr


def test_errors_are_json_where_answers_are(tmp_path: Path) -> None:
    result = run("config", "check", tmp_path / "absent", "--json")
    (error,) = json.loads(result.stderr)["errors"]
    assert error["message"] == f"{tmp_path}/absent: cannot be read: No such file or directory"


def test_show_prints_toml_with_where_each_value_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "orlop.toml"
    file.write_text('[limits]\nlease = "90m"')
    monkeypatch.setenv("ORLOP_DATA", "/srv/orlop")
    output = run("config", "show", "--config", file).output
    tree = tomllib.loads(output)
    assert tree["limits"]["lease"] == "90m"
    assert tree["storage"]["url"] == "file:/srv/orlop/store"
    lines = {line.partition(" = ")[0]: line.partition("# ")[2] for line in output.splitlines()}
    assert (lines["lease"], lines["data"], lines["cert"]) == (f"{file}:2", "ORLOP_DATA", "default")


def test_show_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORLOP_LIMITS_SPARSE", "yes")
    shown = json.loads(run("config", "show", "--json").output)
    assert shown["file"] is None
    assert shown["settings"]["limits.sparse"] == {"value": True, "from": "ORLOP_LIMITS_SPARSE"}
    assert shown["settings"]["listen"] == {"value": "127.0.0.1:5000", "from": "default"}
