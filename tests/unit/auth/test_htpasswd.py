"""A htpasswd file is read as `htpasswd -B` and people write it, and a broken one changes nothing."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orlop.auth.htpasswd import Htpasswd, read
from orlop.domain.errors import StoreRefused

HASH = "$2y$05$" + "a" * 53
OTHER = "$2b$10$" + "b" * 53


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "htpasswd"


def test_names_and_hashes(path: Path) -> None:
    path.write_bytes(
        f"# people\n\nann:{HASH}\r\n  bob@example.com:{OTHER}  \nann:{OTHER}\n**:{HASH}\nlast:{HASH}".encode()
    )
    assert read(path) == {"ann": OTHER, "bob@example.com": OTHER, "**": HASH, "last": HASH}


def test_an_empty_file_has_no_accounts(path: Path) -> None:
    path.touch()
    assert read(path) == {}


@pytest.mark.parametrize(
    "line",
    [
        "ann", "ann:", f":{HASH}", "ann:secret", "ann:$apr1$abcdefgh$" + "a" * 22, "ann:{SHA}" + "a" * 28,
        f"ann:{HASH[:-1]}", f"ann:{HASH}x", f"a b:{HASH}", f"ann:{HASH}:more", "a" * 256 + f":{HASH}", f"ä:{HASH}",
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_named(path: Path, line: str) -> None:
    path.write_text(f"# comment\n{line}\n", encoding="utf-8")
    with pytest.raises(
        StoreRefused, match=r"htpasswd:2: is no NAME:HASH with bcrypt; make one with htpasswd -B"
    ) as told:
        read(path)
    assert "secret" not in str(told.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, path: Path) -> None:
    for wrong in (path, tmp_path):
        with pytest.raises(StoreRefused, match="cannot be read"):
            Htpasswd(wrong)
    path.write_bytes(b"ann:\xff\n")
    with pytest.raises(StoreRefused, match="is not UTF-8"):
        Htpasswd(path)


def test_it_is_read_again_when_it_has_changed(path: Path) -> None:
    path.write_text(f"ann:{HASH}\n")
    file = Htpasswd(path)
    assert not file.look()
    path.write_text(f"ann:{HASH}\nbob:{HASH}\n")
    assert file.look()
    assert set(file.hashes()) == {"ann", "bob"}
    assert not file.look()
    # As editors and `htpasswd` do it: another file of the same size in its place.
    fresh = path.with_name("fresh")
    fresh.write_text(f"ann:{HASH}\ncat:{HASH}\n")
    os.replace(fresh, path)
    assert file.look()
    assert set(file.hashes()) == {"ann", "cat"}


def test_a_file_that_breaks_is_complained_about_once_and_stays_as_it_was(path: Path) -> None:
    path.write_text(f"ann:{HASH}\n")
    file = Htpasswd(path)
    path.write_text("ann:plain\n")
    with capture_logs() as logs:
        assert not file.look()
        assert not file.look()
    assert len(logs) == 1
    path.unlink()
    with capture_logs() as logs:
        assert not file.look()
        assert not file.look()
    assert len(logs) == 1
    assert set(file.hashes()) == {"ann"}
    path.write_text(f"bob:{HASH}\n")
    assert file.look()
    assert set(file.hashes()) == {"bob"}
