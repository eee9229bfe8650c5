"""A registry on a real disk that is backed up and restored."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from orlop.maintenance.backup import Backup, Summary
from orlop.maintenance.restore import Reconciled, Restore, Restored
from orlop.storage.local import LocalStorage
from tests.unit.registry.house import HOUR, House


@contextmanager
def registry(data: Path) -> Iterator[House]:
    """The one in this data folder, made if there is none."""
    data.mkdir(exist_ok=True)
    with House(data / "orlop.db", LocalStorage(data / "store")) as house:
        yield house


def back_up(house: House, folder: Path, *, content: bool = True, verify: bool = False) -> Summary:
    data = house.database.path.parent
    return Backup(
        house.storage,
        house.database,
        data,
        folder,
        lambda progress: None,
        lambda reason: None,
        content=content,
        verify=verify,
    ).run()


def restoring(folder: Path, data: Path, *, replace: bool = False) -> Restore:
    def open_store() -> LocalStorage:
        return LocalStorage(data / "store")

    return Restore(folder, open_store, data / "orlop.db", HOUR, lambda progress: None, replace=replace)


def restore(folder: Path, data: Path, *, replace: bool = False) -> Restored:
    run = restoring(folder, data, replace=replace)
    return run.everything(run.description())


def reconcile(folder: Path, data: Path, *, replace: bool = False) -> Reconciled:
    run = restoring(folder, data, replace=replace)
    return run.database_alone(run.description())


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def objects(store: Path) -> dict[str, bytes]:
    """Every object by its path, but for `orlop.json`."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and ".tmp" not in path.parts and path.name != "orlop.json"
    }


CONTENTS = {
    "tags": "SELECT r.name, t.name, m.digest, t.updated_at, t.updated_by, t.updated_from, t.last_pulled_at FROM tags t"
    " JOIN manifests m ON m.id = t.manifest_id JOIN repositories r ON r.id = t.repository_id ORDER BY 1, 2",
    "manifests": "SELECT r.name, m.digest, m.media_type, m.pushed_at, m.pushed_by, m.last_pulled_at, m.lost"
    " FROM manifests m JOIN repositories r ON r.id = m.repository_id ORDER BY 1, 2",
    "history": "SELECT r.name, h.name, h.digest, h.previous, h.at, h.account FROM tag_history h"
    " JOIN repositories r ON r.id = h.repository_id ORDER BY h.id",
    "accounts": "SELECT * FROM accounts ORDER BY 1",
    "audit": "SELECT * FROM audit ORDER BY 1",
    "blobs": "SELECT digest, size, state, generation FROM blobs ORDER BY 1",
    "links": "SELECT r.name, b.digest FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id"
    " JOIN repositories r ON r.id = l.repository_id ORDER BY 1, 2",
}


def contents(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What a database says, but for the numbers of its rows."""
    return {name: rows(database, query) for name, query in CONTENTS.items()}
