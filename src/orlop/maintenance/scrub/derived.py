"""Looks at what is known of the contents of images: tables of contents, and the documents of chains.

Nothing of it is lost with it: what is damaged is taken away, and a worker makes it again.
"""

from collections.abc import Callable

import msgspec

from orlop.contents import backlog, toc
from orlop.database import jobs
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid, LayerInvalid
from orlop.maintenance.scrub import findings
from orlop.maintenance.scrub.contents import REPAIR
from orlop.maintenance.scrub.findings import Finding, Sight
from orlop.maintenance.scrub.reading import GIVEN_OUT
from orlop.maintenance.scrub.repairs import Repairs
from orlop.storage.base import Storage

TRIE, DIFFS = "files.trie", "diffs.json"


class _Diffs(msgspec.Struct, forbid_unknown_fields=True):
    added: list[str]
    changed: list[str]
    removed: list[str]


class Derived:
    def __init__(self, storage: Storage, database: Database, repairs: Repairs) -> None:
        self._storage = storage
        self._database = database
        self._repairs = repairs

    def table(self, path: str) -> Sight | None:
        """Whatever lies below `layers/`."""
        digest = self._digest(path)
        if digest is None:
            return self._stray(path)
        fault = self._fault(path, lambda: toc.verify(self._storage, path))
        if fault is None:
            return None
        return self._damaged(path, fault, lambda connection: jobs.enqueue(connection, "layer", digest))

    def document(self, path: str) -> Sight | None:
        """Whatever lies below `chains/`, or a document of an image."""
        leaf = path.rpartition("/")[2]
        if path.startswith(f"{self._storage.chains}/") and path not in self._of_chain(path):
            return self._stray(path)
        check = _check_trie if leaf == TRIE else _check_diffs
        fault = self._fault(path, lambda: check(self._storage.get_content(path)))
        # Which images it belongs to is not looked up: all are gone through, and those that lack nothing are left.
        return None if fault is None else self._damaged(path, fault, backlog.forget)

    def _fault(self, path: str, check: Callable[[], object]) -> str | None:
        try:
            check()
        except FileNotFoundError:
            return None
        except LayerInvalid as error:
            return str(error)
        except OSError as error:
            if error.errno not in GIVEN_OUT:
                raise
            return f"it cannot be read: {error.strerror}"
        return None

    def _damaged(self, path: str, fault: str, ask: Callable[[Connection], None]) -> Sight:
        finding = Finding(findings.DAMAGED_CONTENTS, path, path, fault, heals=REPAIR)
        return Sight(finding, lambda: self._repairs.make_again(finding, ask))

    def _stray(self, path: str) -> Sight | None:
        if not self._storage.exists(path):
            return None
        finding = Finding(findings.STRAY_OBJECT, path, path, "nothing has this path", heals=REPAIR)
        return Sight(finding, lambda: self._repairs.take_away(finding))

    def _digest(self, path: str) -> Digest | None:
        try:
            _, algorithm, hexadecimal, _leaf = path.split("/")
            digest = Digest.parse(f"{algorithm}:{hexadecimal}")
        except (DigestInvalid, ValueError):
            return None
        return digest if path == self._storage.layer_toc_path(digest) else None

    def _of_chain(self, path: str) -> tuple[str, ...]:
        chain = path.split("/")[1]
        return self._storage.chain_trie_path(chain), self._storage.chain_diffs_path(chain)


def _check_trie(content: bytes) -> None:
    """LayerInvalid where it cannot be loaded."""
    # Loaded only where there are such documents.
    import marisa_trie  # type: ignore[import-not-found]

    try:
        marisa_trie.Trie().frombytes(content)
    except Exception as error:
        raise LayerInvalid("it cannot be loaded as a trie") from error


def _check_diffs(content: bytes) -> None:
    """LayerInvalid where it is not three sorted lists."""
    try:
        found = msgspec.json.decode(content, type=_Diffs)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LayerInvalid("it does not hold three lists of paths") from error
    if any(paths != sorted(paths) for paths in (found.added, found.changed, found.removed)):
        raise LayerInvalid("its lists are not sorted")
