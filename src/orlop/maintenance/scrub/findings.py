"""What a scrub tells: findings of the kinds that `docs/howto/operations.md` explains."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

DAMAGED = "damaged"
MISSING_OBJECT = "missing object"
MISSING_ROW = "missing row"
STRAY_OBJECT = "stray object"
WRONG_SIZE = "wrong size"
LOST = "lost"
MISSING_LINK = "missing link"
MISSING_CHILD = "missing child"
MISSING_ENTRY = "missing entry"
MISSING_MANIFEST = "missing manifest"
MISSING_TAG = "missing tag"
STRAY_TAG = "stray tag"
DANGLING_ROWS = "dangling rows"
DAMAGED_IMAGE = "damaged image"
STRAY_IMAGE = "stray image"
IMAGE_LIST = "image list"
DAMAGED_CONTENTS = "damaged contents"

KINDS = (
    DAMAGED, MISSING_OBJECT, MISSING_ROW, STRAY_OBJECT, WRONG_SIZE, LOST, MISSING_LINK, MISSING_CHILD, MISSING_ENTRY,
    MISSING_MANIFEST, MISSING_TAG, STRAY_TAG, DANGLING_ROWS, DAMAGED_IMAGE, STRAY_IMAGE, IMAGE_LIST,
    DAMAGED_CONTENTS,
)  # fmt: skip

OF_CONTENT = (DAMAGED, MISSING_OBJECT, MISSING_ROW, WRONG_SIZE, LOST)

MOST_KEPT = 10_000
"""Findings that are kept with their details; of more, the number of each kind is told."""

# What there is to look at. The name is a path of the tree, a digest, `repository@digest`, `repository:tag`,
# `repository@image`, a repository or a relation of the database, as the kind of subject says.
OBJECT, BLOB, NAME, MANIFEST, TAG, LINK, CHILD, LINKS, ROWS, IMAGE, IMAGES, IMAGE_OBJECT, TABLE, DOCUMENT = (
    "object", "blob", "name", "manifest", "tag", "link", "child", "links", "rows", "image", "images", "image object",
    "table", "document",
)  # fmt: skip


class Subject(msgspec.Struct, frozen=True, array_like=True):
    """Something that can be right or wrong."""

    what: str
    name: str


class Finding(msgspec.Struct):
    """Something that is wrong."""

    kind: str
    name: str
    """A digest, `repository@digest`, `repository:tag`, `repository@image`, a repository, a table, or else the path."""
    path: str = ""
    """The object in the tree that it is about, if it is about one."""
    detail: str = ""
    affects: list[str] = []
    """A few of the tags, manifests and repositories that lack something by it."""
    done: str = ""
    """What a repair did; empty: nothing."""
    heals: str = ""
    """What else brings it in order; empty: nothing is left to be done."""
    subject: Subject = Subject("", "")

    def __post_init__(self) -> None:
        # Digests and names too: only plain text can be written down.
        self.name, self.affects = str(self.name), [str(name) for name in self.affects]

    @property
    def key(self) -> str:
        """The same for all that is found of one fault: content has one fault, whatever it comes to."""
        return self.name if self.kind in OF_CONTENT else f"{self.kind} {self.name}"

    def note(self, did: bool, done: str, heals: str = "") -> bool:
        """Notes a repair, if it did anything; whether it did."""
        if did:
            self.done, self.heals = done, heals
        return did


class Sight(NamedTuple):
    """A finding at the moment, and what would mend it as it was seen."""

    finding: Finding
    mend: Callable[[], bool]
    """Notes in the finding what it did. False: what was seen has changed meanwhile, and nothing was done."""


class Report(msgspec.Struct):
    """How a scrub ended."""

    resumed: bool
    repair: bool
    objects: int
    bytes: int
    seconds: float
    """Spent on reading, pauses for the rate included."""
    found: dict[str, int]
    """How many of each kind, but for `lost`, which an earlier repair has found."""
    repaired: int
    left: int
    """Found and not repaired."""
    lost: int
    """Blobs that await a push."""
    untold: int
    """Findings beyond those that are kept."""
    findings: list[Finding]
