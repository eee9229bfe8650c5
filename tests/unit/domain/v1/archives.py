"""Real archives for tests, and damaged ones."""

import io
import tarfile

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(*entries: tuple[tarfile.TarInfo, bytes], form: str = "ustar") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=FORMATS[form]) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content) if content else None)
    return packed.getvalue()


def block(
    name: bytes = b"a", size: bytes = b"00000000000\0", typeflag: bytes = b"0", uid: bytes = b"0000000\0"
) -> bytes:
    """A header as it stands in an archive, with its checksum, whatever its fields say."""
    head = name.ljust(100, b"\0") + b"0000644\0" + uid + b"0000000\0" + size + b"00000000000\0"
    rest = typeflag + bytes(100) + b"ustar\x0000" + bytes(247)
    total = sum(head) + sum(rest) + 8 * 32
    return head + b"%06o\0 " % total + rest


def extension(content: bytes, typeflag: bytes = b"x") -> bytes:
    return block(b"ext", b"%011o\0" % len(content), typeflag) + content + bytes(-len(content) % 512)


def record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length + rest) != length:
        length += 1
    return b"%d" % length + rest


END = bytes(1024)
