"""The table of contents as a file: what was put in comes out, and a damaged one is told from a good one."""

import io
import os
import zlib
from pathlib import Path

import pytest

from orlop.contents import toc
from orlop.contents.entry import Entry
from orlop.contents.packages import Package
from orlop.contents.toc import Checkpoint, Footer, TocWriter
from orlop.domain.errors import LayerInvalid
from orlop.storage.memory import MemoryStorage

PATH = "toc"
PACKAGES = [
    Package(ecosystem="dpkg", name="libc6", version="2.36-9", source="glibc", path="/var/lib/dpkg/status"),
    Package(ecosystem="npm", name="left-pad", version="1.3.0", path="/package.json"),
]


def entry(number: int) -> Entry:
    return Entry(path=f"/usr/share/doc/{number}", size=number, mode=0o644, digest=f"sha256:{number:064x}", offset=512)


def written(entries: int, windows: list[bytes]) -> tuple[bytes, Footer]:
    """With `windows` spread over the entries."""
    output = io.BytesIO()
    writer = TocWriter(output)
    left = list(windows)
    for number in range(entries):
        writer.add(entry(number))
        while left and len(windows) - len(left) <= number * len(windows) // entries:
            place = len(windows) - len(left)
            writer.add_checkpoint(place << 22, place << 20, place % 8, zlib.compress(left.pop(0)))
    for package in PACKAGES:
        writer.add_package(package)
    frames = [(1 << 20, 1000)]
    footer = writer.finish(compression="gzip", size=1000, unpacked=4096, diff_id="sha256:" + "0" * 64, frames=frames)
    return output.getvalue(), footer


def stored(raw: bytes) -> MemoryStorage:
    storage = MemoryStorage()
    storage.buffer_size = 1000  # so that lines are cut
    storage.put_content(PATH, raw)
    return storage


def test_a_small_one_is_read_as_it_was_written() -> None:
    raw, footer = written(3, [b"first", os.urandom(32 << 10)])
    storage = stored(raw)
    assert toc.read_footer(storage, PATH) == toc.verify(storage, PATH) == footer
    assert (footer.entries, footer.content, footer.packages) == (3, 0 + 1 + 2, 2)
    assert footer.frames == [(1 << 20, 1000)]
    assert list(toc.entries(storage, PATH, footer)) == [entry(0), entry(1), entry(2)]
    assert list(toc.packages(storage, PATH, footer)) == PACKAGES


def test_an_empty_layer_has_one_too() -> None:
    output = io.BytesIO()
    footer = TocWriter(output).finish(compression="plain", size=0, unpacked=0, diff_id="sha256:" + "0" * 64)
    storage = stored(output.getvalue())
    assert toc.verify(storage, PATH) == footer
    assert list(toc.entries(storage, PATH, footer)) == list(toc.packages(storage, PATH, footer)) == []


def test_windows_of_a_large_layer_lie_between_the_entries() -> None:
    windows = [os.urandom(32 << 10) for _ in range(300)]
    raw, footer = written(5000, windows)
    storage = stored(raw)
    assert len(footer.sections["windows"]) == len(footer.sections["entries"]) == 3
    assert toc.verify(storage, PATH) == footer
    assert list(toc.entries(storage, PATH, footer)) == [entry(number) for number in range(5000)]
    assert [toc.window(storage, PATH, footer, place) for place in footer.checkpoints] == windows
    assert [place[:3] for place in footer.checkpoints] == [(n << 22, n << 20, n % 8) for n in range(300)]


def test_the_footer_of_a_layer_with_many_frames_is_read() -> None:
    output = io.BytesIO()
    frames = [(number << 20, number << 18) for number in range(20_000)]
    footer = TocWriter(output).finish(compression="zstd", size=1, unpacked=2, diff_id="", frames=frames)
    assert toc.read_footer(stored(output.getvalue()), PATH) == footer


def test_a_missing_one_is_no_damaged_one() -> None:
    with pytest.raises(FileNotFoundError):
        toc.read_footer(MemoryStorage(), PATH)


def test_any_changed_byte_is_found() -> None:
    raw, _ = written(3, [b"window"])
    for place in range(len(raw)):
        for changed in (raw[place] ^ 1, raw[place] ^ 0x80):
            with pytest.raises(LayerInvalid):
                toc.verify(stored(raw[:place] + bytes([changed]) + raw[place + 1 :]), PATH)


def test_any_cut_is_found() -> None:
    raw, _ = written(3, [b"window"])
    for size in range(len(raw)):
        with pytest.raises(LayerInvalid):
            toc.read_footer(stored(raw[:size]), PATH)


def test_damage_in_what_is_read_without_the_checksum_is_one_error() -> None:
    raw, footer = written(200, [b"window" * 100])
    for place in range(12, raw.rindex(b'{"version"')):
        storage = stored(raw[:place] + bytes([raw[place] ^ 0x10]) + raw[place + 1 :])
        try:
            list(toc.entries(storage, PATH, footer))
            list(toc.packages(storage, PATH, footer))
            toc.window(storage, PATH, footer, footer.checkpoints[0])
        except LayerInvalid:
            pass


def test_a_window_that_unpacks_to_more_is_refused() -> None:
    for packed in (zlib.compress(bytes(40_000)), zlib.compress(b"cut")[:-1], b"", b"none"):
        output = io.BytesIO()
        writer = TocWriter(output)
        writer.add_checkpoint(1, 1, 0, packed)
        footer = writer.finish(compression="gzip", size=1, unpacked=2, diff_id="")
        with pytest.raises(LayerInvalid, match="window"):
            toc.window(stored(output.getvalue()), PATH, footer, footer.checkpoints[0])


def test_a_later_format_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.BytesIO()
    TocWriter(output).finish(compression="gzip", size=1, unpacked=2, diff_id="")
    monkeypatch.setattr(toc, "VERSION", 2)
    with pytest.raises(LayerInvalid, match="format 1,"):
        toc.read_footer(stored(output.getvalue()), PATH)


def test_sections_outside_the_file_are_refused() -> None:
    output = io.BytesIO()
    footer = TocWriter(output).finish(compression="gzip", size=1, unpacked=2, diff_id="")
    footer.sections["entries"] = [(12, 1 << 40)]
    with pytest.raises(LayerInvalid):
        list(toc.entries(stored(output.getvalue()), PATH, footer))
    place = Checkpoint(0, 0, 0, 1 << 40, 10)
    with pytest.raises(LayerInvalid):
        toc.window(stored(output.getvalue()), PATH, footer, place)


def test_the_page_of_the_format_tells_of_each_member() -> None:
    page = (Path(__file__).parents[3] / "docs/formats/toc.md").read_text()
    for kind in (Footer, Entry, Package):
        for field in kind.__struct_fields__:
            assert f"`{field}`" in page
