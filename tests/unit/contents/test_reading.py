"""Parts of a layer, read without what is before them: the same bytes as of the whole, however it is packed."""

import bz2
import gzip
import hashlib
import io
import lzma
import random
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orlop.contents import inflate
from orlop.contents.limits import Limits
from orlop.contents.parser import index
from orlop.contents.reading import read, read_file
from orlop.contents.toc import Checkpoint, Frame, entries, read_footer
from orlop.domain.errors import LayerInvalid
from tests.unit.contents.packed_layer import (
    BLOB,
    TOC,
    CountingStorage,
    PackedLayer,
    gzip_member,
    packed_layer,
    places_every,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SKIPPED = b"\x50\x2a\x4d\x18\4\0\0\0junk"

PACKERS: dict[str, Callable[[list[bytes]], bytes]] = {
    **{
        f"gzip, level {level}": lambda parts, level=level: gzip_member(b"".join(parts), level)  # type: ignore[misc]
        for level in (0, 1, 6, 9)
    },
    "gzip, only Huffman": lambda parts: gzip_member(b"".join(parts), 6, zlib.Z_HUFFMAN_ONLY),
    "gzip, fixed codes": lambda parts: gzip_member(b"".join(parts), 6, zlib.Z_FIXED),
    "gzip, runs": lambda parts: gzip_member(b"".join(parts), 6, zlib.Z_RLE),
    "gzip, sync points": lambda parts: gzip_member(b"".join(parts), 6, flush=zlib.Z_SYNC_FLUSH),
    "gzip, full points": lambda parts: gzip_member(b"".join(parts), 6, flush=zlib.Z_FULL_FLUSH),
    "gzip, blocks": lambda parts: gzip_member(b"".join(parts), 1, flush=zlib.Z_BLOCK),
    "gzip, partial": lambda parts: gzip_member(b"".join(parts), 6, flush=zlib.Z_PARTIAL_FLUSH),
    "gzip, members": lambda parts: gzip.compress(b"") + b"".join(map(gzip.compress, parts)) + gzip.compress(b""),
    "gzip, members in blocks": lambda parts: b"".join(gzip_member(part, 6, flush=zlib.Z_BLOCK) for part in parts),
    "zstd": lambda parts: zstd.compress(b"".join(parts)),
    "zstd, frames": lambda parts: SKIPPED + b"".join(zstd.compress(part) + SKIPPED for part in parts),
    "bzip2": lambda parts: bz2.compress(b"".join(parts)),
    "bzip2, streams": lambda parts: b"".join(map(bz2.compress, [b"", *parts])),
    "xz": lambda parts: lzma.compress(b"".join(parts)),
    "xz, streams": lambda parts: b"".join(lzma.compress(part) + bytes(4) for part in [b"", *parts]),
    "plain": b"".join,
}

# Text, noise, and runs; some of it much longer than the places to begin are apart.
PARTS = st.lists(
    st.binary(max_size=200)
    | st.builds(lambda size, seed: random.Random(seed).randbytes(size), st.integers(0, 20_000), st.integers(0, 99))
    | st.builds(
        lambda size, seed: bytes(random.Random(seed).choices(b"abcde \n", k=size)),
        st.integers(0, 60_000),
        st.integers(0, 99),
    )
    | st.builds(lambda size: b"x" * size, st.integers(0, 60_000)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("packer", PACKERS)
@settings(max_examples=25)
@given(parts=PARTS, spans=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=5, max_size=5))
def test_every_part_is_the_same_as_of_the_whole(
    packer: str, parts: list[bytes], spans: list[tuple[float, float]]
) -> None:
    whole = b"".join(parts)
    with places_every(2000):
        layer = packed_layer(PACKERS[packer](parts) if whole or packer != "plain" else b"")
    assert layer.content == whole
    for one, other in spans:
        start, end = sorted((round(one * len(whole)), round(other * len(whole))))
        assert layer.read(start, end - start) == whole[start:end]
    places = [place.out for place in layer.footer.checkpoints or layer.footer.frames]
    for place in places[:3] + places[-3:]:
        for start in range(place - 1, min(place + 2, len(whole))):
            assert layer.read(start, min(1500, len(whole) - start)) == whole[start : start + 1500]


@pytest.fixture(scope="module")
def blocks() -> PackedLayer:
    """A gzip layer of many blocks, with a checkpoint at each third or so."""
    chance = random.Random(3)
    content = b"".join(b"%d " % chance.getrandbits(chance.choice([8, 20, 60])) for _ in range(100_000))
    with places_every(3000):
        return packed_layer(gzip_member(content, 1, flush=zlib.Z_BLOCK))


def test_a_stream_is_continued_at_each_bit(blocks: PackedLayer) -> None:
    checkpoints = blocks.footer.checkpoints
    assert {checkpoint.bits for checkpoint in checkpoints} == set(range(8))
    for checkpoint in checkpoints[:60]:
        start = checkpoint.out
        assert blocks.read(start, 4000) == blocks.content[start : start + 4000]


def test_only_what_is_needed_is_read(blocks: PackedLayer) -> None:
    compressed = blocks.footer.size
    for start in range(0, len(blocks.content) - 100, len(blocks.content) // 20):
        blocks.storage.given = 0
        assert blocks.read(start, 100) == blocks.content[start : start + 100]
        assert 0 < blocks.storage.given < compressed / 50
    blocks.storage.given = 0
    assert blocks.read(5, 0) == b""
    assert blocks.storage.given == 0


def test_whoever_stops_reading_has_read_no_more(blocks: PackedLayer) -> None:
    blocks.storage.buffer_size = 1000
    blocks.storage.given = 0
    pieces = read(blocks.storage, BLOB, TOC, blocks.footer, 10, len(blocks.content) - 10)
    assert blocks.content[10:].startswith(next(pieces))
    pieces.close()  # type: ignore[attr-defined]
    assert blocks.storage.given < 10_000


def big_layer(megabytes: int) -> tuple[bytes, Callable[[int, int], bytes]]:
    """A gzip layer of content that is packed to a third, and what any part of it is."""
    chance = random.Random(5)
    units = [bytes(chance.choices(b"0123456", k=1 << 18)) for _ in range(8)]
    order = [chance.randrange(8) for _ in range(megabytes * 4)]

    def part(start: int, length: int) -> bytes:
        first = start >> 18
        numbers = order[first : (start + length >> 18) + 1]
        return b"".join(units[number] for number in numbers)[start - (first << 18) :][:length]

    packer = zlib.compressobj(2, zlib.DEFLATED, 31)
    packed = bytearray()
    for number in order:
        packed += packer.compress(units[number])
    return bytes(packed + packer.flush()), part


@pytest.mark.timeout(600)
@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.full)])
def test_a_small_file_of_a_large_layer_takes_few_megabytes_and_a_moment(megabytes: int) -> None:
    blob, part = big_layer(megabytes)
    layer = packed_layer(blob)
    assert len(blob) > megabytes << 18
    for place in (0.001, 0.33, 0.5, 0.77, 0.9999):
        start = int(place * ((megabytes << 20) - 10_000))
        layer.storage.given = 0
        begun = time.monotonic()
        assert layer.read(start, 10_000) == part(start, 10_000)
        assert time.monotonic() - begun < 2
        assert layer.storage.given < 5_000_000


def test_without_places_to_begin_it_is_read_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_LIBRARY", None)
    content = bytes(range(256)) * 1000
    with places_every(1000):
        layer = packed_layer(gzip.compress(content))
    assert layer.footer.checkpoints == []
    assert layer.read(200_000, 500) == content[200_000:200_500]


def test_what_is_behind_the_end_is_refused(blocks: PackedLayer) -> None:
    size = len(blocks.content)
    assert blocks.read(size, 0) == b""
    for start, length in ((size, 1), (size - 1, 2), (-1, 1), (0, -1), (1 << 70, 1)):
        with pytest.raises(LayerInvalid):
            blocks.read(start, length)


def test_a_layer_that_is_gone_is_said_to_be_gone(blocks: PackedLayer) -> None:
    with pytest.raises(FileNotFoundError):
        list(read(blocks.storage, "blobs/sha256/ab/other", TOC, blocks.footer, 0, 1))
    with pytest.raises(FileNotFoundError):
        list(read(blocks.storage, BLOB, "layers/sha256/ab/other", blocks.footer, len(blocks.content) - 1, 1))


# Damage


@pytest.mark.parametrize("packer", ["gzip, members in blocks", "gzip, level 6", "zstd, frames", "bzip2", "xz", "plain"])
def test_no_damage_goes_unnoticed_where_a_whole_file_is_read(packer: str) -> None:
    chance = random.Random(11)
    parts = [bytes(chance.choices(b"abcdefgh \n", k=20_000)) for _ in range(5)]
    blob = PACKERS[packer](parts)
    with places_every(5000):
        layer = packed_layer(blob)
    digest = "sha256:" + hashlib.sha256(layer.content[50_000:80_000]).hexdigest()
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(blob)
        damaged[chance.randrange(len(blob))] ^= 1 << chance.randrange(8)
        layer.replace(bytes(damaged[: chance.choice([len(blob), len(blob), chance.randrange(len(blob))])]))
        try:
            outcomes.add(layer.read_file(50_000, 30_000, digest=digest) == layer.content[50_000:80_000])
        except LayerInvalid:
            outcomes.add(None)
    assert None in outcomes
    assert False not in outcomes


def test_of_a_damaged_file_the_last_piece_is_not_given() -> None:
    content = random.Random(1).randbytes(3 << 20)
    layer = packed_layer(content)
    layer.replace(content[:-1] + b"?")
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    given = b""
    pieces = read_file(layer.storage, BLOB, TOC, layer.footer, 0, len(content), (), 0, len(content), digest=digest)
    with pytest.raises(LayerInvalid, match="not what it was"):  # noqa: PT012
        for piece in pieces:
            given += piece
    assert content.startswith(given)
    assert len(given) < len(content)


@pytest.mark.timeout(120)
def test_a_table_of_contents_that_lies_gives_the_one_error_or_bytes_that_the_digest_refuses(
    blocks: PackedLayer,
) -> None:
    chance = random.Random(2)
    true = blocks.footer
    start = len(blocks.content) // 2
    digest = "sha256:" + hashlib.sha256(blocks.content[start : start + 5000]).hexdigest()
    for _ in range(300):
        checkpoints = []
        for checkpoint in true.checkpoints:
            fields = list(checkpoint)
            fields[chance.randrange(5)] = chance.choice([-1, 0, 7, 8, 1 << 20, 1 << 40, chance.randrange(1 << 19)])
            checkpoints.append(Checkpoint(*fields))
        footer = type(true)(**{name: getattr(true, name) for name in true.__struct_fields__})
        footer.checkpoints = checkpoints
        layer = PackedLayer(blocks.storage, footer, blocks.content)
        try:
            assert layer.read_file(start, 5000, digest=digest) == blocks.content[start : start + 5000]
        except LayerInvalid:
            pass
    with_frames = PackedLayer(blocks.storage, type(true)(**{n: getattr(true, n) for n in true.__struct_fields__}), b"")
    with_frames.footer.checkpoints = []
    with_frames.footer.frames = [Frame(100, -5), Frame(start, 1 << 50)]
    for place in (200, start + 1):
        with pytest.raises(LayerInvalid):
            with_frames.read(place, 10)
    with_frames.footer.compression = "rar"
    with pytest.raises(LayerInvalid, match="rar"):
        with_frames.read(0, 10)


# Files


def test_a_part_of_a_file_is_cut_at_its_end(blocks: PackedLayer) -> None:
    content = blocks.content[1000:21_000]
    assert blocks.read_file(1000, 20_000) == content
    assert blocks.read_file(1000, 20_000, first=500, count=10) == content[500:510]
    assert blocks.read_file(1000, 20_000, first=19_990, count=100) == content[-10:]
    assert blocks.read_file(1000, 20_000, first=20_000, count=100) == b""
    assert blocks.read_file(1000, 20_000, first=30_000, count=100) == b""
    assert blocks.read_file(1000, 20_000, count=0) == b""
    assert blocks.read_file(1000, 0, digest="sha256:" + hashlib.sha256(b"").hexdigest()) == b""
    with pytest.raises(ValueError, match="no part"):
        blocks.read_file(1000, 20_000, first=-1)


def test_a_digest_is_of_the_whole_file_only(blocks: PackedLayer) -> None:
    assert blocks.read_file(1000, 50, first=1, digest="sha256:wrong") == blocks.content[1001:1050]
    with pytest.raises(LayerInvalid, match="not what it was"):
        blocks.read_file(1000, 50, digest="sha256:wrong")


def test_a_file_of_nothing_but_a_hole_is_zeros(blocks: PackedLayer) -> None:
    assert blocks.read_file(1000, 200_000, ((200_000, 0),)) == bytes(200_000)
    assert blocks.read_file(-1, 200_000, (), first=5, count=100_000) == bytes(100_000)


@settings(max_examples=60)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=6),
    tail=st.integers(1, 300),
    first=st.integers(0, 4000),
    count=st.integers(0, 4000),
)
def test_holes_of_sparse_files_are_zeros(lengths: list[tuple[int, int]], tail: int, first: int, count: int) -> None:
    data = random.Random(9).randbytes(sum(length for _, length in lengths))
    content, sparse, at = b"", [], 0
    for hole, length in lengths:
        sparse.append((len(content) + hole, length))
        content += bytes(hole) + data[at : at + length]
        at += length
    content += bytes(tail)
    sparse.append((len(content), 0))
    layer = packed_layer(gzip.compress(b"header" + data + b"following"))
    found = layer.read_file(6, len(content), tuple(sparse), first, count)
    assert found == content[first : first + count]


@pytest.mark.parametrize("sparse", [((5, 10), (0, 3)), ((0, 10), (5, 10)), ((0, 101),), ((0, -1),), ((-5, 3),)])
def test_a_sparse_file_that_cannot_be_is_refused(blocks: PackedLayer, sparse: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(LayerInvalid, match="sparse"):
        blocks.read_file(0, 100, sparse)


@pytest.mark.parametrize("packer", ["gzip, level 6", "gzip, members", "zstd, frames", "xz", "plain"])
def test_each_file_of_an_archive_is_read_as_its_entry_says(packer: str) -> None:
    chance = random.Random(4)
    contents = {f"file{number}": bytes(chance.choices(b"abc \n", k=number * 977)) for number in range(60)}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    whole = archive.getvalue()
    blob = PACKERS[packer]([whole[at : at + 100_000] for at in range(0, len(whole), 100_000)])
    storage, output = CountingStorage(), io.BytesIO()
    with places_every(50_000):
        index(io.BytesIO(blob), output, Limits())
    storage.put_content(BLOB, blob)
    storage.put_content(TOC, output.getvalue())
    layer = PackedLayer(storage, read_footer(storage, TOC), whole)
    found = {
        entry.path[1:]: layer.read_file(entry.offset, entry.size, entry.sparse, digest=entry.digest)
        for entry in entries(storage, TOC, layer.footer)
    }
    assert found == contents


def test_a_large_window_of_zstd_is_read_where_the_limits_let_it() -> None:
    stream = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
    layer = packed_layer(stream.compress(bytes(20 << 20)) + stream.flush())
    assert layer.read(100, 5) == bytes(5)
    pieces: Iterator[bytes] = read(layer.storage, BLOB, TOC, layer.footer, 100, 5, limits=Limits(window=1 << 20))
    with pytest.raises(LayerInvalid):
        list(pieces)


def test_of_an_empty_layer_nothing_is_read() -> None:
    layer = packed_layer(b"")
    assert layer.read(0, 0) == b""
    assert io.BytesIO(layer.content).read() == b""
