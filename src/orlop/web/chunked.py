"""The chunked transfer coding (RFC 9112, section 7.1), decoded over whole buffers without copying their content.

Large uploads come past the HTTP parser, which would copy every byte twice more.
"""

import re

from orlop.domain.errors import UploadInvalid

# Extensions and trailers are allowed and ignored. Control characters are not: as in headers, readers disagree on them.
# Bounds: 15 digits hold any size, and no line may grow without end.
_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;" + _TEXT + rb")?")
_TRAILER = re.compile(_TEXT)
USUAL_LINE = 32
LONGEST_LINE = 4096
MOST_TRAILERS = 64


class Chunks:
    """Decodes one body, piece by piece. `done` after its last byte."""

    def __init__(self) -> None:
        self.done = False
        self._left = 0  # bytes of content to come in this chunk
        self._ending = False  # the line that ends a chunk's content comes next
        self._trailers = 0  # lines since the last chunk, from 1 on
        self._line = b""  # the beginning of a line that the last buffer cut

    def feed(self, data: memoryview) -> list[memoryview]:
        """The content in `data`, as slices of it. UploadInvalid: this is not the coding."""
        pieces = []
        position, end = 0, len(data)
        while position < end and not self.done:
            if self._left:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                self._ending = not self._left
            else:
                position = self._read_line(data, position)
        return pieces

    def _read_line(self, data: memoryview, position: int) -> int:
        """Takes a line, or keeps its beginning; where to go on."""
        # Nearly all are short. To look at the longest at once would copy a quarter of a body in chunks of 32 KiB.
        seen = self._line + bytes(data[position : position + USUAL_LINE])
        found = seen.find(b"\r\n")
        if found < 0:
            seen = self._line + bytes(data[position : position + LONGEST_LINE])
            found = seen.find(b"\r\n")
        if found < 0:
            if len(seen) >= LONGEST_LINE:
                raise UploadInvalid("the body's chunked coding has a line without end")
            self._line = seen
            return len(data)
        position += found + 2 - len(self._line)
        self._line = b""
        self._take_line(seen[:found])
        return position

    def _take_line(self, line: bytes) -> None:
        if self._ending:
            if line:
                raise UploadInvalid("a chunk of the body is longer than it says")
            self._ending = False
        elif self._trailers:
            self.done = not line
            self._trailers += 1
            if self._trailers > MOST_TRAILERS or _TRAILER.fullmatch(line) is None:
                raise UploadInvalid("the body has too many trailers, or one that is none")
        else:
            match = _SIZE.fullmatch(line)
            if match is None:
                raise UploadInvalid("the body's chunked coding has no size where one belongs")
            self._left = int(match[1], 16)
            self._trailers = 1 if self._left == 0 else 0
