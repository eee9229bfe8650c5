"""Which folders of the local driver were made but have no durable name yet.

A folder's name becomes durable when its parent is synced. The thread that makes a folder may not get to that before
another thread puts a durable object into it: so the mark is set before the folder is there, and whoever needs the path
to be durable syncs the parents of what is marked.
"""

import threading
from typing import TypeAlias

Marks: TypeAlias = list[tuple[str, object]]


class UnsyncedFolders:
    """Marks by the folder's path. Empty most of the time, and then it costs nothing to ask."""

    def __init__(self) -> None:
        self._marks: dict[str, object] = {}
        self._lock = threading.Lock()

    def mark(self, folder: str) -> None:
        """Call before the folder is made."""
        with self._lock:
            self._marks[folder] = object()

    def on_the_way_to(self, folder: str) -> Marks:
        """The marks of the folder and of those that it lies in."""
        found: Marks = []
        while self._marks and folder:
            if mark := self._marks.get(folder):
                found.append((folder, mark))
            folder = folder.rpartition("/")[0]
        return found

    def all(self) -> Marks:
        with self._lock:
            return list(self._marks.items())

    def within(self, folder: str) -> Marks:
        """The marks of the folder and of those that lie in it."""
        return [mark for mark in self.all() if f"{mark[0]}/".startswith(f"{folder}/")]

    def clear(self, marks: Marks) -> None:
        """Call when the parents are synced, or the folders removed. A mark that was set anew meanwhile stays."""
        with self._lock:
            for folder, mark in marks:
                if self._marks.get(folder) is mark:
                    del self._marks[folder]
