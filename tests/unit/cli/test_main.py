"""The command `orlop` itself: help, errors of one line, and what is imported for it."""

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from orlop.cli import commands, main
from orlop.domain.errors import OrlopError, RepositoryUnknown

HEAVY = {"aiohttp", "alembic", "asyncio", "jinja2", "msgspec", "prometheus_client", "rich", "sqlalchemy", "uvloop"}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """A command `fail` that raises what the list holds."""
    raised: list[BaseException] = []

    @click.command
    @click.option("--json", is_flag=True)
    def fail(json: bool) -> None:
        raise raised[0]

    module = type(sys)("orlop_failing")
    module.command = fail  # type: ignore[attr-defined]
    module.__spec__ = sys.__spec__
    monkeypatch.setitem(sys.modules, "orlop_failing", module)
    monkeypatch.setitem(commands.COMMANDS, "fail", commands.Entry("orlop_failing:command", ""))
    return raised


def imported_by(*words: str) -> set[str]:
    """The modules that are loaded once this command has ended."""
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\nimport orlop.__main__"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_groups_the_commands() -> None:
    lines = CliRunner().invoke(main, ["--help"]).output.splitlines()
    run, look, keep = lines.index("Run:"), lines.index("Look inside:"), lines.index("Keep:")
    serve = next(index for index, line in enumerate(lines) if line.startswith("  serve "))
    assert run < serve < look < keep


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["config", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    loaded = imported_by(*words)
    assert "orlop.cli" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("name", sorted(commands.COMMANDS))
def test_each_command_is_there_and_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: orlop {name} ")


def test_version_names_the_program() -> None:
    assert CliRunner().invoke(main, ["--version"]).output.startswith("orlop 0.")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["srve"], "orlop: No such command 'srve'. Did you mean 'serve'? See: orlop --help"),
        (["zzzz"], "orlop: No such command 'zzzz'. See: orlop --help"),
        (["--frob"], "orlop: No such option '--frob'. See: orlop --help"),
        (
            ["serve", "--listn", "x"],
            "orlop: No such option '--listn'. Did you mean '--listen'? See: orlop serve --help",
        ),
        (["config", "chck"], "orlop: No such command 'chck'. Did you mean 'check'? See: orlop config --help"),
    ],
)
def test_a_misspelt_command_line_is_one_line_with_what_was_meant(words: list[str], line: str) -> None:
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{line}\n")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RepositoryUnknown("repository a/b is not here"), 1, "orlop: repository a/b is not here\n"),
        (OrlopError("a\nb"), 1, "orlop: a b\n"),
        (PermissionError(13, "Permission denied", "/srv/x"), 1, "orlop: /srv/x: Permission denied\n"),
        (ConnectionResetError(104, "Connection reset by peer"), 1, "orlop: Connection reset by peer\n"),
        (KeyError("x"), 1, "orlop: internal error: KeyError: 'x'; with ORLOP_LOG_LEVEL=debug it says where\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_every_failure_is_one_line_and_a_code(
    failing: list[BaseException], error: BaseException, code: int, line: str
) -> None:
    failing.append(error)
    result = CliRunner().invoke(main, ["fail"])
    assert (result.exit_code, result.stderr) == (code, line)


def test_a_failure_is_json_where_json_was_asked_for(failing: list[BaseException]) -> None:
    failing.append(RepositoryUnknown("repository a/b is not here"))
    result = CliRunner().invoke(main, ["fail", "--json"])
    assert json.loads(result.stderr) == {"errors": [{"message": "repository a/b is not here"}]}
    assert result.exit_code == 1


def test_an_internal_error_says_where_when_asked(
    failing: list[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(KeyError("x"))
    monkeypatch.setenv("ORLOP_LOG_LEVEL", "debug")
    result = CliRunner().invoke(main, ["fail"])
    assert "test_main.py" in result.stderr


def test_a_reader_that_goes_away_gets_no_complaint() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "orlop", "config", "show"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""
