"""Layers that were made to harm whoever reads them."""

import bz2
import gzip
import io
import tarfile
from collections.abc import Iterable

BLOCK = 512
END = bytes(2 * BLOCK)
MIB = 1 << 20


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> bytes:
    """One header of a member, in the form of GNU."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info.tobuf(tarfile.GNU_FORMAT)


def patched(block: bytes, at: int, value: bytes) -> bytes:
    """The header with other bytes at that place, and the sum that goes with them."""
    changed = bytearray(block)
    changed[at : at + len(value)] = value
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    return header(name, kind, len(content), link) + padded(content)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def archive(members: Iterable[bytes]) -> bytes:
    return b"".join(members) + END


def records(**values: str | bytes) -> bytes:
    """A PAX header's records."""
    found = b""
    for name, value in values.items():
        text = value.encode() if isinstance(value, str) else value
        body = b" " + name.encode() + b"=" + text + b"\n"
        size = len(body)
        while len(str(size)) + len(body) != size:
            size = len(str(size)) + len(body)
        found += str(size).encode() + body
    return found


def pax(name: str, content: bytes, body: bytes) -> bytes:
    return member("PaxHeaders/x", body, tarfile.XHDTYPE) + member(name, content)


# S31


def negative_size() -> bytes:
    return archive([patched(header("a"), 124, (-BLOCK).to_bytes(12, "big", signed=True)), member("b", b"after")])


def negative_pax() -> bytes:
    extended = patched(header("x", tarfile.XHDTYPE), 124, (-BLOCK).to_bytes(12, "big", signed=True))
    return archive([extended, member("b", b"after")])


def looping_pax() -> bytes:
    """A record that says that it has no length: whoever goes on behind it goes nowhere."""
    return archive([pax("a", b"", b"0 path=/a\n" * 10), member("b")])


def chained_headers() -> bytes:
    return archive([member("x", records(path="a"), tarfile.XHDTYPE)] * 50_000 + [member("b")])


def endless_map() -> bytes:
    """A sparse file whose map goes on and on, in the form that GNU tar calls 1.0."""
    names = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a", "GNU.sparse.realsize": "9"}
    return archive([pax("GNUSparseFile/a", b"9999999999\n" + b"0\n" * 2000, records(**names))])


# S32


def escapes(target: str) -> bytes:
    """Every way out of a folder that an archive knows, towards the folder `target`."""
    up = "../" * 30
    return archive(
        [
            member(f"{up}{target.lstrip('/')}/dots", b"out"),
            member(f"{target}/absolute", b"out"),
            member("link", kind=tarfile.SYMTYPE, link=target),
            member("link/through", b"out"),
            member("up", kind=tarfile.SYMTYPE, link=f"{up}{target.lstrip('/')}"),
            member("up/through", b"out"),
            member("hard", kind=tarfile.LNKTYPE, link=f"{up}etc/passwd"),
            member("device", kind=tarfile.BLKTYPE),
            member("pipe", kind=tarfile.FIFOTYPE),
            pax("innocent", b"out", records(path=f"{target}/renamed")),
            member("twice", b"one"),
            member("twice", kind=tarfile.DIRTYPE),
            member("twice", b"two"),
            member("etc/passwd", b"of the image"),
            member("loop", kind=tarfile.SYMTYPE, link="loop"),
        ]
    )


# S33


def gzip_bomb(size: int) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as stream:
        stream.write(header("zeros", size=size))
        for _ in range(size // MIB):
            stream.write(bytes(MIB))
        stream.write(END)
    return packed.getvalue()


def bzip2_bomb(size: int) -> bytes:
    packer = bz2.BZ2Compressor(9)
    packed = packer.compress(header("zeros", size=size))
    for _ in range(size // MIB):
        packed += packer.compress(bytes(MIB))
    return packed + packer.compress(END) + packer.flush()


def many_members(size: int) -> bytes:
    """The same bytes as many gzip streams in a row."""
    return gzip.compress(header("zeros", size=size)) + gzip.compress(bytes(MIB)) * (size // MIB) + gzip.compress(END)


def wide_window() -> bytes:
    """A frame of zstd that asks for 2 GiB of memory."""
    content = archive([member("a")])
    block = (len(content) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd" + bytes([0x00, 21 << 3]) + block + content


def trailing_junk() -> bytes:
    return gzip.compress(archive([member("a")])) + b"\0" * 100


def cut_short() -> bytes:
    return gzip.compress(archive([member("a", bytes(range(256)) * 400)]))[:-300]


# S34


def long_name(size: int) -> bytes:
    return archive([member("././@LongLink", b"a" * size, tarfile.GNUTYPE_LONGNAME), member("a")])


def large_pax(size: int) -> bytes:
    return archive([pax("a", b"", records(comment="x" * size))])


def huge_hole(size: int) -> bytes:
    names = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a", "GNU.sparse.realsize": str(size)}
    return archive([pax("GNUSparseFile/a", padded(f"1\n{size - 1}\n1\n".encode()) + b"x", records(**names))])


def deep(depth: int) -> bytes:
    return archive(
        [member("d/" * number, kind=tarfile.DIRTYPE) for number in range(1, depth)] + [member("d/" * depth + "f")]
    )


def whiteout_storm(count: int) -> bytes:
    return archive(member(f"folder-{number % 7}/.wh.{number}") for number in range(count))
