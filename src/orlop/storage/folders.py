"""The folders of the local driver: made when they are needed, gone when they are empty, synced when it matters.

Symbolic links aren't followed, so that no path leaves the root. A folder that becomes empty is removed at once: who was
about to put something there holds a dead folder, in which nothing can be made (ENOENT), and makes it anew. The first
folder of a path stays, since many come and go below it.
"""

import errno
import os
from collections.abc import Iterator
from typing import Protocol

from orlop.storage import kernel
from orlop.storage.base import missing
from orlop.storage.paths import is_segment
from orlop.storage.unsynced import UnsyncedFolders

NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Errors of opening that mean: no such object. What is or lies behind a symbolic link is none."""

_READ = os.O_RDONLY | os.O_DIRECTORY

_ATTEMPTS = 1000
"""How often in a row a writer may lose its folder to removers before that is an error."""


class Placing(Protocol):
    """os.rename or os.link."""

    def __call__(self, source: str, target: str, /, *, src_dir_fd: int, dst_dir_fd: int) -> None: ...


class Folders:
    """The folders below the open folder `root`. Paths are checked already; the path of the root itself is empty."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._unsynced = UnsyncedFolders()

    def open(self, folder: str) -> int:
        """Return a descriptor; FileNotFoundError if there is no such folder."""
        try:
            return kernel.open_beneath(self._root, folder or ".", _READ)
        except OSError as error:
            if error.errno in NOTHING_THERE:
                raise missing(folder) from None
            raise

    def open_or_make(self, folder: str) -> int:
        """Return a descriptor of the folder, which is made if it is missing; nothing is synced."""
        for _ in range(_ATTEMPTS):
            try:
                return kernel.open_beneath(self._root, folder or ".", _READ)
            except FileNotFoundError:
                self.make(folder)
        raise _contended(folder)

    def make(self, folder: str) -> None:
        """Make the folder and those that it lies in, unless they are there; others may remove it at any moment."""
        above, _, name = folder.rpartition("/")
        self._unsynced.mark(folder)
        descriptor = self.open_or_make(above)
        try:
            os.mkdir(name, dir_fd=descriptor)
        except FileExistsError:
            pass
        except FileNotFoundError:
            pass  # the folder above is gone again: the caller's next attempt makes both
        finally:
            os.close(descriptor)

    def place(self, placing: Placing, source_folder: int, source: str, target: str, *, durable: bool) -> None:
        """Rename or link `source`, a name in an open folder, to the path `target`; if durable, the name is synced."""
        folder, _, leaf = target.rpartition("/")
        for _ in range(_ATTEMPTS):
            descriptor = self.open_or_make(folder)
            try:
                placing(source, leaf, src_dir_fd=source_folder, dst_dir_fd=descriptor)
            except FileNotFoundError:
                # The source is gone, which this raises, or the target's folder is, which is made anew.
                os.stat(source, dir_fd=source_folder, follow_symlinks=False)
            else:
                if durable:
                    self._sync_names(folder, descriptor)
                return
            finally:
                os.close(descriptor)
        raise _contended(folder)

    def sync(self, folder: str) -> None:
        """Make durable what was placed in a folder or removed from it, also when the folder itself is gone by now."""
        while True:
            try:
                descriptor = self.open(folder)
                break
            except FileNotFoundError:
                folder = folder.rpartition("/")[0]
        try:
            self._sync_names(folder, descriptor)
        finally:
            os.close(descriptor)

    def sync_all(self) -> None:
        """Make everything durable that was done in the store, files too."""
        marks = self._unsynced.all()
        kernel.sync_file_system(self._root)
        self._unsynced.clear(marks)

    def _sync_names(self, folder: str, descriptor: int) -> None:
        os.fsync(descriptor)
        marks = self._unsynced.on_the_way_to(folder)
        for marked, _ in marks:
            try:
                above = self.open(marked.rpartition("/")[0])
            except FileNotFoundError:
                continue  # removed meanwhile, with all that was in it
            try:
                os.fsync(above)
            finally:
                os.close(above)
        self._unsynced.clear(marks)

    def take(self, above: int, name: str, path: str, target_folder: int, target: str) -> None:
        """Rename the folder at `path`, called `name` in the open folder `above`, to a name outside of the tree."""
        marks = self._unsynced.within(path)
        os.rename(name, target, src_dir_fd=above, dst_dir_fd=target_folder)
        self._unsynced.clear(marks)

    def tidy(self, folder: str) -> None:
        """Remove the folder, and then those that it lies in, as far as they are empty."""
        while "/" in folder:
            marks = self._unsynced.on_the_way_to(folder)
            try:
                os.rmdir(folder, dir_fd=self._root)
            except OSError:
                return
            self._unsynced.clear([mark for mark in marks if mark[0] == folder])
            folder = folder.rpartition("/")[0]

    def entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """Yield the objects and folders in a folder; FileNotFoundError on the first `next()` if it is missing."""
        descriptor = self.open(folder)
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if is_segment(entry.name) and (
                        entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
                    ):
                        yield entry
        finally:
            os.close(descriptor)


def _contended(folder: str) -> OSError:
    return OSError(errno.EBUSY, "the folder was removed again and again", folder)
