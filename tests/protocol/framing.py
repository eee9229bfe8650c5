"""How bodies are framed."""

from collections.abc import Iterator


def chunk(piece: bytes) -> bytes:
    """A piece as Transfer-Encoding: chunked frames it; nothing for no bytes, which would end the body."""
    return b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""


LAST_CHUNK = b"0\r\n\r\n"


def cut(content: bytes, size: int) -> Iterator[bytes]:
    for offset in range(0, len(content), size):
        yield content[offset : offset + size]
