"""Bytes into descriptors, all of them or an error."""

import errno
import os
from collections.abc import Iterable

from orlop.storage import kernel
from orlop.storage.base import Buffer

_MOST_BUFFERS = os.sysconf("SC_IOV_MAX")
_WRITEBACK = 8 << 20
"""Bytes after which the disk is told to begin: the sync at the end then finds little left."""
_PIECE = 1 << 20
_KERNEL_PIECE = 1 << 30
_CANNOT_COPY_IN_KERNEL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM)


def write_all(descriptor: int, data: Buffer) -> None:
    """Append all of the data: a write may stop anywhere, for a signal or because the disk is nearly full."""
    written = os.write(descriptor, data)
    if written == (data.nbytes if isinstance(data, memoryview) else len(data)):
        return
    rest = memoryview(data).cast("B")
    while written < rest.nbytes:
        written += os.write(descriptor, rest[written:])


def writev_all(descriptor: int, buffers: list[Buffer]) -> None:
    """Append all buffers in their order."""
    for start in range(0, len(buffers), _MOST_BUFFERS):
        batch = buffers[start : start + _MOST_BUFFERS]
        written = os.writev(descriptor, batch)
        for buffer in batch:
            view = memoryview(buffer).cast("B")
            if written < view.nbytes:
                write_all(descriptor, view[written:])
            written = max(0, written - view.nbytes)


def pour(pieces: Iterable[bytes], descriptor: int) -> None:
    """Append all pieces."""
    offset = started = 0
    for piece in pieces:
        write_all(descriptor, piece)
        offset += len(piece)
        if offset - started >= _WRITEBACK:
            kernel.start_writeback(descriptor, started, offset - started)
            started = offset


def copy_bytes(source: int, target: int) -> None:
    """Append the whole source; by the kernel, which may share blocks, where the file system lets it."""
    copied = 0
    try:
        while count := os.copy_file_range(source, target, _KERNEL_PIECE, offset_src=copied):
            copied += count
    except OSError as error:
        if error.errno not in _CANNOT_COPY_IN_KERNEL:
            raise
    # Also after a good end: some file systems copy nothing of a file that they make up as they are read.
    while piece := os.pread(source, _PIECE, copied):
        write_all(target, piece)
        copied += len(piece)
