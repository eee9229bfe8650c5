"""Unfinished files of the local driver, in `.tmp/<session>/` below the root: on the same file system, never listed.

Each open driver has a session, a folder that it keeps locked while it lives. Who opens the store later removes the
sessions whose lock is free: their processes are dead.
"""

import errno
import fcntl
import itertools
import os
import secrets
import shutil
from contextlib import suppress

FOLDER = ".tmp"

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Temporaries:
    """One driver's session."""

    def __init__(self, root: int) -> None:
        """`root` is the open root folder. Raises OSError where nothing can be written."""
        with suppress(FileExistsError):
            os.mkdir(FOLDER, dir_fd=root)
        self._folder = os.open(FOLDER, _OPEN_FOLDER, dir_fd=root)
        self._numbers = itertools.count()
        try:
            # Held from the sweep until the own session is locked: else another's sweep could take it for a dead one.
            fcntl.flock(self._folder, fcntl.LOCK_EX)
            self.found_dead = self._sweep()
            self._session = secrets.token_hex(8)
            os.mkdir(self._session, dir_fd=self._folder)
            self.descriptor = os.open(self._session, _OPEN_FOLDER, dir_fd=self._folder)
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(self._folder, fcntl.LOCK_UN)
        except BaseException:
            os.close(self._folder)
            raise

    def name(self) -> str:
        """A name that nobody else in the session has, in whatever thread or forked process."""
        return f"{os.getpid():x}-{next(self._numbers):x}"

    def create(self, name: str) -> int:
        """Return a descriptor of a new file of this name, which is to be placed or discarded."""
        return os.open(name, _CREATE, 0o666, dir_fd=self.descriptor)

    def discard(self, name: str) -> None:
        """Remove a file or a folder of the session; one that is gone is no matter."""
        with suppress(FileNotFoundError):
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except IsADirectoryError:
                _remove_tree(name, self.descriptor)

    def close(self) -> None:
        with suppress(FileNotFoundError):
            _remove_tree(self._session, self._folder)
        os.close(self.descriptor)
        os.close(self._folder)

    def _sweep(self) -> bool:
        """Remove what dead sessions left; whether there was any."""
        return sum(self._remove_if_dead(name) for name in os.listdir(self._folder)) > 0

    def _remove_if_dead(self, name: str) -> bool:
        try:
            session = os.open(name, _OPEN_FOLDER, dir_fd=self._folder)
        except FileNotFoundError:
            return False  # its driver has just closed it
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            os.unlink(name, dir_fd=self._folder)
            return True
        try:
            fcntl.flock(session, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            try:
                _remove_tree(name, self._folder)
            except FileNotFoundError:
                return False  # the same, after it was opened here
            return True
        finally:
            os.close(session)


def _remove_tree(name: str, folder: int) -> None:
    """Remove a folder and what is in it, also what those still put there who had it open before it was renamed away."""
    while True:
        try:
            shutil.rmtree(name, dir_fd=folder)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        else:
            return
