"""Several small objects of the local driver, made durable together.

The first sync of a batch brings the file system's journal to the disk, and most of what the others need with it:
sixteen objects take little longer than one.
"""

import os
from collections.abc import Callable, Sequence

from orlop.storage import kernel
from orlop.storage.base import Buffer
from orlop.storage.folders import Folders
from orlop.storage.local_bytes import write_all
from orlop.storage.temporaries import Temporaries


class _Object:
    """One object of a batch, on its way from a temporary name to its own."""

    def __init__(self, path: str, content: Buffer, name: str) -> None:
        self.path = path
        self.content = content
        self.name = name
        self.descriptor = -1
        self.error: OSError | None = None


class Batch:
    def __init__(self, folders: Folders, temporaries: Temporaries) -> None:
        self._folders = folders
        self._temporaries = temporaries

    def put(self, contents: Sequence[tuple[str, Buffer]]) -> list[OSError | None]:
        """See `Storage.put_contents`. An object that fails is not there, or as it was before."""
        objects = [_Object(path, content, self._temporaries.name()) for path, content in contents]
        try:
            self._each(objects, self._write)
            self._each(objects, self._sync)
            self._each(objects, self._place)
            self._sync_folders(objects)
        finally:
            for item in objects:
                self._close(item)
        return [item.error for item in objects]

    def _each(self, objects: list[_Object], step: Callable[[_Object], None]) -> None:
        for item in objects:
            if item.error is None:
                try:
                    step(item)
                except OSError as error:
                    item.error = error.with_traceback(None)  # it holds this frame, which holds the item: a cycle

    def _write(self, item: _Object) -> None:
        item.descriptor = self._temporaries.create(item.name)
        write_all(item.descriptor, item.content)
        kernel.start_writeback(item.descriptor, 0, 0)

    def _sync(self, item: _Object) -> None:
        os.fsync(item.descriptor)

    def _place(self, item: _Object) -> None:
        self._folders.place(os.rename, self._temporaries.descriptor, item.name, item.path, durable=False)
        item.name = ""

    def _sync_folders(self, objects: list[_Object]) -> None:
        for folder in {item.path.rpartition("/")[0] for item in objects if item.error is None}:
            try:
                self._folders.sync(folder)
            except OSError as error:
                for item in objects:
                    if item.path.rpartition("/")[0] == folder:
                        item.error = error.with_traceback(None)

    def _close(self, item: _Object) -> None:
        if item.descriptor >= 0:
            os.close(item.descriptor)
        if item.name:
            self._temporaries.discard(item.name)
