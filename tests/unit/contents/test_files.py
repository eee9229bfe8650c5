"""Files of images read from their layers: only what is needed of them, and never anything else."""

import gzip
import io
import lzma
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orlop.contents import parser, toc
from orlop.contents.files import Files, Found, Page, normal, shown
from orlop.contents.images import Images
from orlop.contents.index import Index
from orlop.contents.limits import Limits
from orlop.contents.loading import load
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending, FileUnknown, LinkLoop, ParameterInvalid, Unavailable
from orlop.domain.name import Tag
from orlop.storage.memory import MemoryStorage
from tests.protocol.content import OCI_CONFIG, OCI_LAYER, descriptor, encode, image
from tests.protocol.images import Member, directory, file, hardlink, symlink, tar
from tests.unit.registry.house import CALLER, NAME, House

MIB = 1 << 20


def packed(archive: bytes) -> bytes:
    return gzip.compress(archive, 1, mtime=0)


class CountingStorage(MemoryStorage):
    """Counts the bytes of blobs that it gives."""

    given = 0

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        for piece in super().stream_read(path, bytes_range):
            self.given += len(piece) if path.startswith("blobs/") else 0
            yield piece


class Shelf:
    """Images whose layers were looked into."""

    def __init__(self, folder: Path) -> None:
        self.storage = CountingStorage()
        self.house = House(folder / "orlop.db", self.storage)
        self.index = Index(folder / "contents.db")
        self.images = Images(self.house.database, self.index, self.house.content.read)
        self.files = Files(self.storage, self.images)

    def push(self, tag: str, *archives: bytes, pack: Callable[[bytes], bytes] = packed) -> list[Digest]:
        layers = [pack(archive) for archive in archives]
        config = encode({"os": "linux"})
        for content in (config, *layers):
            self.house.push_blob(content)
        self.house.push(
            encode(image(descriptor(config, OCI_CONFIG), [descriptor(one, OCI_LAYER) for one in layers])), tag
        )
        for layer in layers:
            self._learn(layer)
        return [Digest.of(layer) for layer in layers]

    def _learn(self, layer: bytes) -> None:
        written = io.BytesIO()
        parser.index(io.BytesIO(layer), written, Limits())
        path = self.storage.layer_toc_path(Digest.of(layer))
        self.storage.put_content(path, written.getvalue())
        footer = toc.read_footer(self.storage, path)
        load(self.index, Digest.of(layer), footer, toc.entries(self.storage, path, footer), iter(()))

    def find(self, path: bytes, tag: str = "v1", page: Page | None = None, *, follow: bool = True) -> Found:
        return self.files.find(CALLER, NAME, Tag(tag), path, page=page, follow=follow)

    def read(self, path: bytes, first: int = 0, count: int | None = None) -> bytes:
        found = self.find(path)
        assert found.content is not None
        return b"".join(self.files.read(found, first, found.content.size if count is None else count))

    def close(self) -> None:
        self.index.close()
        self.house.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.close()


def test_of_a_large_layer_only_what_is_near_is_read(shelf: Shelf) -> None:
    noise = random.Random(5)
    members: list[Member] = [file(f"{number:02}", noise.randbytes(MIB)) for number in range(16)]
    wanted = noise.randbytes(10_000)
    shelf.push(
        "v1", tar(*members, file("wanted", wanted), *[file(f"z{number}", noise.randbytes(MIB)) for number in range(8)])
    )
    shelf.storage.given = 0
    assert shelf.read(b"/wanted") == wanted
    assert shelf.storage.given < 9 * MIB  # from one checkpoint to the next but one
    shelf.storage.given = 0
    shelf.find(b"/", page=Page(100))
    assert shelf.storage.given == 0


def test_links_are_followed_inside_the_image(shelf: Shelf) -> None:
    shelf.push(
        "v1",
        tar(
            file("etc/passwd", b"inside"), symlink("out", "../../../../../etc/passwd"), symlink("there", "/etc"),
            symlink("loop", "loop"), hardlink("hard", "etc/passwd"), directory("empty"),
        ),
        tar(hardlink("above", "etc/passwd"), symlink("over", "there/passwd")),
    )  # fmt: skip
    for path in (b"/out", b"/there/passwd", b"there//./passwd", b"/hard", b"/above", b"/over", b"/../../etc/passwd"):
        assert shelf.read(path) == b"inside"
    assert shelf.find(b"/over", follow=False).node.kind == "symlink"
    assert shelf.find(b"/there/..", follow=False).node.path == b"/"
    assert shelf.find(b"/", follow=False).node.path == b"/"
    for path in (b"/loop", b"/loop/x"):
        with pytest.raises(LinkLoop):
            shelf.find(path)
    for path in (b"/no", b"/etc/passwd/x", b"/empty/no"):
        with pytest.raises(FileUnknown):
            shelf.find(path, follow=False)


def test_a_damaged_layer_is_never_taken_for_the_file(shelf: Shelf) -> None:
    content = random.Random(1).randbytes(300_000)
    (layer,) = shelf.push("v1", tar(file("a", content)))
    path = shelf.storage.blob_path(layer)
    whole = shelf.storage.get_content(path)
    for place in (700, 150_000):
        shelf.storage.put_content(path, whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        came: list[bytes] = []
        with pytest.raises(Unavailable, match="push it again"):
            came.extend(shelf.files.read(shelf.find(b"/a"), 0, len(content)))
        assert sum(map(len, came)) < len(content)
    shelf.storage.put_content(path, whole[:1000])
    with pytest.raises(Unavailable):
        shelf.read(b"/a")
    shelf.storage.remove(path)
    with pytest.raises(Unavailable, match="missing"):
        shelf.read(b"/a", 5, 5)
    assert shelf.read(b"/a", 0, 0) == b""


def test_without_its_table_of_contents_a_file_is_pending(shelf: Shelf) -> None:
    (layer,) = shelf.push("v1", tar(file("a", b"1")))
    shelf.storage.remove(shelf.storage.layer_toc_path(layer))
    with pytest.raises(ContentsPending):
        shelf.read(b"/a")


def test_a_missing_file_names_what_is_near(shelf: Shelf) -> None:
    shelf.push("v1", tar(file("usr/lib/os-release", b"1"), file(b"usr/\xff\x1b", b"1"), symlink("lib", "usr/lib")))
    for path, nearest, similar in (
        (b"/usr/lib/os-relaese", "/usr/lib", "/usr/lib/os-release"),
        (b"/lib/os-relaese", "/lib", "/usr/lib/os-release"),
        (b"/" + b"deep/" * 500, "/", None),
        (b"/usr/lib/os-release/x", "/usr/lib/os-release", None),
        (b"/usr/\x1b[31m", "/usr", None),
    ):
        with pytest.raises(FileUnknown) as told:
            shelf.find(path)
        detail = told.value.detail
        assert isinstance(detail, dict)
        assert (detail["nearest"], detail["similar"]) == (nearest, similar)
        assert str(told.value).isprintable()


@pytest.mark.parametrize(
    ("path", "same"),
    [(b"", b"/"), (b"etc", b"/etc"), (b"//etc//x/", b"/etc/x"), (b"/./a/../b", b"/a/../b"), (b"\xff", b"/\xff")],
)
def test_a_path_is_one_however_it_is_written(path: bytes, same: bytes) -> None:
    assert normal(path) == same


@pytest.mark.parametrize("path", [b"a\0b", b"a" * 4097])
def test_what_no_file_is_called_is_refused(path: bytes) -> None:
    with pytest.raises(ParameterInvalid):
        normal(path)


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert shown(b"/a\x1b[31m\n\xe4\xc3\xa4\\") == "/a\\x1b[31m\\n\\xe4ä\\"


@pytest.mark.parametrize(("pack", "needed"), [(bytes, False), (packed, False), (lzma.compress, True)])
def test_what_is_far_inside_a_layer_is_known_to_need_unpacking(
    shelf: Shelf, pack: Callable[[bytes], bytes], needed: bool
) -> None:
    members = file("near", b"1"), file("large", bytes(5 << 20)), file("far", b"1")
    shelf.push("v1", tar(*members), pack=pack)
    assert shelf.files.needs_unpacking(shelf.find(b"/far")) == needed
    assert shelf.files.needs_unpacking(shelf.find(b"/large")) == needed
    assert not shelf.files.needs_unpacking(shelf.find(b"/near"))
    assert not shelf.files.needs_unpacking(shelf.find(b"/"))


def test_names_made_to_be_compared_for_long_do_not_take_long(shelf: Shelf) -> None:
    chance = random.Random(1)
    names = ["".join(chance.choices("ab", k=199)) for _ in range(1001)]
    shelf.push("v1", tar(*[file(f"d/{name}", b"1") for name in names[1:]]))
    begun = time.process_time()
    with pytest.raises(FileUnknown):
        shelf.find(b"/d/" + names[0].encode())
    assert time.process_time() - begun < 1
