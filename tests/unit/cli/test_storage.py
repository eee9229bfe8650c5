"""`orlop storage test`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orlop.cli import main
from orlop.storage.local import LocalStorage
from orlop.storage.memory import MemoryStorage


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["storage", "test", *words])


def test_the_configured_store_is_tested(tmp_path: Path) -> None:
    with LocalStorage(tmp_path / "store") as storage:
        storage.put_content("blobs/sha256/ab/abcd", b"content")
    done = run("--data", str(tmp_path))
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "The store keeps its promises."
    assert "ok" in done.stdout
    assert "FAILED" not in done.stdout
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == [
        tmp_path / "store" / "blobs" / "sha256" / "ab" / "abcd"
    ]


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORLOP_STORAGE_URL", "memory:")
    assert run().stdout.startswith("Testing memory:")


def test_a_store_that_breaks_its_promises_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStorage, "get_size", lambda self, path: 0)
    done = run("memory:")
    assert done.exit_code == 1
    assert "FAILED" in done.stdout
    assert "got 0 instead of" in done.stdout
    assert done.stderr.endswith("cases failed: don't keep images on this store\n")


def test_verdicts_as_json() -> None:
    verdicts = [json.loads(line) for line in run("memory:", "--json").stdout.splitlines()]
    assert len(verdicts) > 90
    assert {verdict["failure"] for verdict in verdicts} == {""}


def test_an_unknown_store_is_refused() -> None:
    done = run("s3://bucket")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "file:PATH" in done.stderr
