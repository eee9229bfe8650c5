"""A htpasswd file as a source of accounts: `NAME:HASH`, a line each, with bcrypt hashes."""

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path

import structlog

from orlop.domain.errors import StoreRefused

log = structlog.get_logger("orlop.auth")

_LINE = re.compile(r"([\x21-\x39\x3b-\x7e]{1,255}):(\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53})")


class Htpasswd:
    """The file's names and hashes, read again when it has changed. One that can't be read then stays as it was."""

    def __init__(self, path: Path) -> None:
        """StoreRefused: it cannot be read."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = _stamp(path)
        self._hashes = read(path)

    def hashes(self) -> Mapping[str, str]:
        return self._hashes

    def look(self) -> bool:
        """Reads the file again where it has changed; whether it has."""
        with self._lock:
            try:
                seen: tuple[int, int, int] | None = _stamp(self._path)
            except StoreRefused:
                seen = None
            if seen == self._seen:
                return False
            self._seen = seen  # also where it is broken: that is said once, not at every look
            try:
                self._hashes = read(self._path)
            except StoreRefused as error:
                log.error("the htpasswd file stays as it was read before", reason=str(error))
                return False
            return True


def read(path: Path) -> dict[str, str]:
    """Hashes by name. StoreRefused: the file cannot be read, or a line is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StoreRefused(f"access.htpasswd = {path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise StoreRefused(f"access.htpasswd = {path}: is not UTF-8") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise StoreRefused(f"{path}:{number}: is no NAME:HASH with bcrypt; make one with htpasswd -B")
        found[match[1]] = match[2]
    return found


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise StoreRefused(f"access.htpasswd = {path}: cannot be read ({error.strerror})") from error
    return status.st_ino, status.st_size, status.st_mtime_ns
