"""From a layer's bytes to its table of contents, in whatever compression it comes."""

import bz2
import gzip
import hashlib
import io
import lzma
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator

import pytest

from orlop.contents import parser, toc
from orlop.contents.entry import Entry
from orlop.contents.limits import Limits
from orlop.contents.packages.package import Package, Reader
from orlop.contents.toc import Footer
from orlop.domain.errors import LayerInvalid
from orlop.storage.memory import MemoryStorage
from tests.unit.domain.v1.archives import entry, tar

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STATUS = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9

"""
LAYER = tar(
    entry("var/lib/dpkg", type=tarfile.DIRTYPE),
    entry("var/lib/dpkg/status", STATUS),
    entry("large", bytes(range(256)) * 5000),
    entry("usr/lib/python3/dist-packages/x-1.dist-info/METADATA", b"Name: x\nVersion: 1\n"),
    form="pax",
)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


class Read:
    """What is in a layer."""

    def __init__(self, layer: bytes, limits: Limits | None = None) -> None:
        output = io.BytesIO()
        parser.index(io.BytesIO(layer), output, limits or Limits())
        storage = MemoryStorage()
        storage.put_content("toc", output.getvalue())
        self.footer: Footer = toc.verify(storage, "toc")
        self.entries: list[Entry] = list(toc.entries(storage, "toc", self.footer))
        self.packages: list[Package] = list(toc.packages(storage, "toc", self.footer))


@pytest.mark.parametrize("form", list(PACKERS))
def test_a_layer_is_read_whatever_packs_it(form: str) -> None:
    packed = PACKERS[form](LAYER)
    found = Read(packed)
    assert [item.path for item in found.entries] == [
        "/var/lib/dpkg",
        "/var/lib/dpkg/status",
        "/large",
        "/usr/lib/python3/dist-packages/x-1.dist-info/METADATA",
    ]
    assert [(package.ecosystem, package.name, package.path) for package in found.packages] == [
        ("dpkg", "libc6", found.entries[1].path),
        ("python", "x", found.entries[3].path),
    ]
    footer = found.footer
    assert (footer.compression, footer.size, footer.unpacked) == (form, len(packed), len(LAYER))
    assert footer.diff_id == f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
    assert footer.entries == 4
    assert footer.content == sum(item.size for item in found.entries)


def test_the_diff_id_is_of_all_that_is_unpacked_also_behind_the_archives_end() -> None:
    layer = LAYER + b"behind" * 1000
    assert Read(gzip.compress(layer)).footer.diff_id == f"sha256:{hashlib.sha256(layer).hexdigest()}"


def test_an_empty_layer_is_read() -> None:
    for layer in (b"", gzip.compress(b""), gzip.compress(bytes(1024))):
        assert Read(layer).footer.entries == 0


def test_whiteouts_and_marks_tell_of_no_packages() -> None:
    assert Read(tar(entry("../var/lib/dpkg/status", STATUS))).packages == []


def test_no_failure_over_a_package_is_one_of_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str, content: bytes | bytearray) -> Iterator[Package]:
        yield Package(ecosystem="dpkg", name="first", version="1", path=path)
        raise RuntimeError

    class Failing:
        def feed(self, piece: bytes | memoryview) -> None:
            raise MemoryError

        def packages(self) -> Iterator[Package]:
            raise AssertionError("it was given up")

    for reader, told in ((Reader(1000, fail), 1), (Reader(1000, fail, scan=lambda _: Failing()), 0)):
        monkeypatch.setattr(parser, "wanted", lambda path, reader=reader: reader if path == "/large" else None)
        found = Read(tar(entry("large", b"x"), entry("other", b"y")))
        assert (len(found.entries), len(found.packages)) == (2, told)


def test_there_is_a_limit_to_packages() -> None:
    layer = tar(entry("var/lib/dpkg/status", STATUS * 3))
    assert len(Read(layer, Limits(packages=3)).packages) == 3
    with pytest.raises(LayerInvalid, match="more than 2 packages"):
        Read(layer, Limits(packages=2))


def test_what_is_imported_is_little() -> None:
    """A parser is started for each layer."""
    heavy = {"sqlalchemy", "aiohttp", "click", "asyncio", "logging", "concurrent.futures", "sqlite3", "email", "ssl"}
    assert not heavy & set(_imported())


def _imported() -> list[str]:
    program = "import sys, orlop.contents.parser; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
