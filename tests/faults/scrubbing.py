"""Stores with known faults, and `orlop scrub` as a process."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName
from orlop.storage.layout import Layout
from orlop.storage.local import LocalStorage
from tests.protocol.content import OCI_CONFIG, OCI_LAYER, descriptor, encode, image
from tests.unit.registry.house import House

PATIENCE = 120.0


class Done(NamedTuple):
    code: int
    report: dict[str, Any]

    def names(self, kind: str) -> set[str]:
        return {finding["name"] for finding in self.report["findings"] if finding["kind"] == kind}


def command(data: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "orlop", "scrub", "--data", str(data), *words]


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}


def scrub(data: Path, *words: str, rate: str = "0") -> Done:
    words = ("--json", "--rate", rate, *words)
    done = subprocess.run(
        command(data, *words), capture_output=True, text=True, timeout=PATIENCE, env=environment(), check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    return Done(done.returncode, json.loads(done.stdout))


class Image(NamedTuple):
    name: RepositoryName
    manifest: Digest
    layers: dict[Digest, bytes]


@contextmanager
def house_in(data: Path) -> Iterator[House]:
    """The registry's use cases on the store in the data folder."""
    data.mkdir(exist_ok=True)
    with House(data / "orlop.db", LocalStorage(data / "store")) as house:
        yield house
        house.names.drain()


def push_images(house: House, count: int, layers: int, seed: int = 1) -> list[Image]:
    """So many tagged images in five repositories, with so many layers each that no other has."""
    source = random.Random(seed)
    pushed = []
    for number in range(count):
        name = RepositoryName.parse(f"team{number % 5}/app")
        config = b'{"number": %d}' % number
        contents = [source.randbytes(source.randrange(200, 6000)) for _ in range(layers)]
        for content in (config, *contents):
            house.push_blob(content, name)
        document = image(descriptor(config, OCI_CONFIG), [descriptor(content, OCI_LAYER) for content in contents])
        digest = house.push(encode(document), f"v{number}", name=name).digest
        pushed.append(Image(name, digest, {Digest.of(content): content for content in contents}))
    return pushed


def file_of(data: Path, digest: Digest, generation: int = 0) -> Path:
    return data / "store" / Layout().blob_path(digest, generation)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def statement(data: Path, sql: str, *parameters: object) -> None:
    """One on the database itself, as whoever has turned its foreign keys off."""
    with closing(sqlite3.connect(data / "orlop.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        assert connection.execute(sql, parameters).rowcount > 0


def value(data: Path, sql: str, *parameters: object) -> Any:
    with closing(sqlite3.connect(data / "orlop.db")) as connection:
        row = connection.execute(sql, parameters).fetchone()
        return row[0] if row else None
