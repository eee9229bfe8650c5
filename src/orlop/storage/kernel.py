"""Calls of Linux that Python doesn't offer."""

import ctypes
import errno
import os
import stat
import sys

_libc = ctypes.CDLL(None, use_errno=True)

_SYS_OPENAT2 = 437
_BENEATH_WITHOUT_SYMLINKS = 0x04 | 0x08
_SYNC_FILE_RANGE_WRITE = 2


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_openat2 = ctypes.CFUNCTYPE(
    ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, use_errno=True
)(("syscall", _libc))

_hows: dict[int, tuple[_OpenHow, int]] = {}
_without_openat2 = False


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Open `path` below the open `folder`; a symbolic link anywhere on the way raises ELOOP (or ENOTDIR)."""
    global _without_openat2
    if _without_openat2:
        return _open_stepwise(folder, path, flags)
    how = _hows.get(flags) or _remembered(flags)
    encoded = path.encode()
    while True:
        descriptor = _openat2(_SYS_OPENAT2, folder, encoded, how[1], 24)
        if descriptor >= 0:
            return int(descriptor)
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EPERM):
            # An old kernel, or a sandbox that knows no such call. Where EPERM is the file's own, the steps meet it too.
            _without_openat2 = number == errno.ENOSYS or _without_openat2
            return _open_stepwise(folder, path, flags)
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number), path)


def _remembered(flags: int) -> tuple[_OpenHow, int]:
    mode = 0o666 if flags & os.O_CREAT else 0
    how = _OpenHow(flags | os.O_CLOEXEC, mode, _BENEATH_WITHOUT_SYMLINKS)
    return _hows.setdefault(flags, (how, ctypes.addressof(how)))


def _open_stepwise(folder: int, path: str, flags: int) -> int:
    *parents, leaf = path.split("/")
    here = os.dup(folder)
    try:
        for parent in parents:
            below = os.open(parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        descriptor = os.open(leaf, flags | os.O_NOFOLLOW, 0o666, dir_fd=here)
        if flags & os.O_PATH and stat.S_ISLNK(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        return descriptor
    finally:
        os.close(here)


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Ask for these bytes to be written out, without waiting; where that isn't possible, nothing happens."""
    _sync_file_range(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)


def sync_file_system(descriptor: int) -> None:
    """Make everything on the descriptor's file system durable."""
    if _syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def file_system_magic(descriptor: int) -> int:
    """The number by which statfs tells kinds of file systems apart."""
    answer = ctypes.create_string_buffer(512)
    if _fstatfs(descriptor, answer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int.from_bytes(answer.raw[:4], sys.byteorder)


_sync_file_range = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint, use_errno=True
)(("sync_file_range", _libc))
_syncfs = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, use_errno=True)(("syncfs", _libc))
_fstatfs = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, use_errno=True)(("fstatfs", _libc))
