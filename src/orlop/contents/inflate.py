"""The system's zlib by ctypes, for what Python's own does not tell: where in a gzip stream the blocks end.

From the end of a block, with the 32 KiB before it, whoever comes later can go on (zlib's own example `zran.c` does).
"""

import ctypes
import weakref
import zlib

PIECE = 1 << 20
"""Bytes of output that there is room for."""

# The names under which it lies on Linux and on macOS. `ctypes.util.find_library` would start a compiler to find others.
_NAMES = ("libz.so.1", "libz.1.dylib")

_NO_FLUSH = 0
_BLOCK = 5  # stop behind the next header or block
_STREAM_END = 1
_MEMORY_ERROR = -4
_BUFFER_ERROR = -5  # nothing can be done without more input or room; no error
_WINDOW = 1 << 15


class _Stream(ctypes.Structure):
    """`z_stream` of zlib.h, as all versions 1.x have it. zlib checks its size."""

    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


def _load() -> ctypes.CDLL | None:
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
            library.zlibVersion.restype = ctypes.c_char_p
            for function in (library.inflate, library.inflateReset, library.inflateEnd, library.inflateGetDictionary):
                function.restype = ctypes.c_int
            if library.zlibVersion().startswith(b"1."):
                return library
        except (OSError, AttributeError):
            continue
    return None


# When this is imported, so that a process can lock itself in afterwards.
_LIBRARY = _load()


def available() -> bool:
    """Whether the system has a zlib that this can use."""
    return _LIBRARY is not None


class Inflate:
    """Gzip streams one after the other; their checksums and lengths are checked by zlib.

    Not for two threads at once. Python's lock is free while it works.
    """

    def __init__(self) -> None:
        """OSError where `available` is false."""
        if _LIBRARY is None:
            raise OSError("the system has no zlib that can be used")
        self._library = _LIBRARY
        self._stream = _Stream()
        self._pointer = ctypes.byref(self._stream)
        version = ctypes.c_char_p(self._library.zlibVersion())
        code = self._library.inflateInit2_(self._pointer, 31, version, ctypes.c_int(ctypes.sizeof(_Stream)))
        if code:
            raise MemoryError if code == _MEMORY_ERROR else OSError(f"the system's zlib cannot be used: error {code}")
        weakref.finalize(self, self._library.inflateEnd, self._pointer)
        self._input = b""
        self._buffer = bytearray(PIECE)
        self._output = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self.output = memoryview(self._buffer)
        self.ended = False

    def reset(self) -> None:
        """Begin the next stream; what input is left of the last is forgotten."""
        self._library.inflateReset(self._pointer)
        self._stream.avail_in = 0
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Give it input, in place of what there was."""
        self._input = data  # zlib has the address only
        self._stream.next_in = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p)
        self._stream.avail_in = len(data)

    @property
    def left(self) -> int:
        """Bytes of the input that it has not taken."""
        return int(self._stream.avail_in)

    @property
    def unused(self) -> bytes:
        """The input that it has not taken."""
        return self._input[len(self._input) - self.left :]

    def run(self, start: int, end: int = PIECE, *, to_boundary: bool = False) -> int:
        """Unpack into `output` from `start` to `end`; returns how far it came. zlib.error where the stream is damaged.

        It stops where the input or the stream ends; with `to_boundary` also behind the next header or block.
        """
        stream = self._stream
        stream.next_out = self._output + start
        stream.avail_out = end - start
        code = self._library.inflate(self._pointer, _BLOCK if to_boundary else _NO_FLUSH)
        if code == _STREAM_END:
            self.ended = True
        elif code == _MEMORY_ERROR:
            raise MemoryError
        elif code not in (0, _BUFFER_ERROR):
            # In the words of Python's own.
            reason = (stream.msg or b"inconsistent stream state").decode("ascii", "replace")
            raise zlib.error(f"Error {code} while decompressing data: {reason}")
        return end - int(stream.avail_out)

    @property
    def bits(self) -> int | None:
        """Where another block begins here: how many bits of the last byte taken belong to it. Else None."""
        kind = self._stream.data_type
        return kind & 63 if kind & 128 and not kind & 64 else None

    def window(self) -> bytes:
        """The last 32 KiB of the stream's output, or all there is."""
        window = ctypes.create_string_buffer(_WINDOW)
        size = ctypes.c_uint(0)
        self._library.inflateGetDictionary(self._pointer, window, ctypes.byref(size))
        return window.raw[: size.value]
