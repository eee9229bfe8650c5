"""Layers in the index: which are known, and in what state."""

import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

from orlop.domain.errors import ContentsPending, ContentsUnindexable


class LayerState(NamedTuple):
    """What is known of one layer. All from `diff_id` on is None where the layer is unindexable."""

    id: int
    """Names it in the other tables. Never given twice."""
    digest: str
    state: str
    """`ready` or `unindexable`."""
    reason: str
    """Why it is unindexable."""
    diff_id: str | None
    compression: str | None
    size: int | None
    """Bytes as they came."""
    unpacked: int | None
    entries: int | None
    content: int | None
    """Bytes of all files."""


_STATE = "SELECT id, digest, state, reason, diff_id, compression, size, unpacked, entries, content FROM layers"


def layer_state(connection: sqlite3.Connection, digest: str) -> LayerState | None:
    """None where no worker has told anything of it."""
    row = connection.execute(f"{_STATE} WHERE digest = ?", (digest,)).fetchone()
    return LayerState(*row) if row else None


def layer_states(connection: sqlite3.Connection, digests: Sequence[str]) -> list[LayerState | None]:
    """`layer_state` for each."""
    return [layer_state(connection, digest) for digest in digests]


def ready(connection: sqlite3.Connection, digest: str) -> LayerState:
    """`layer_state` of a layer that can be read. ContentsPending, ContentsUnindexable."""
    state = layer_state(connection, digest)
    if state is None:
        raise ContentsPending
    if state.state != "ready":
        raise ContentsUnindexable(f"{digest} cannot be read: {state.reason}", detail={"digest": digest})
    return state


def layers(connection: sqlite3.Connection, after: str, count: int) -> list[str]:
    """The digests of up to `count` known layers behind `after`, in order."""
    statement = "SELECT digest FROM layers WHERE digest > ? ORDER BY digest LIMIT ?"
    return [digest for (digest,) in connection.execute(statement, (after, count))]


def mark_unindexable(connection: sqlite3.Connection, digest: str, reason: str) -> None:
    """Says that the layer cannot be looked into. One that is ready stays so."""
    connection.execute(
        "INSERT INTO layers (digest, state, reason, made_at) VALUES (?, 'unindexable', ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET reason = excluded.reason WHERE state = 'unindexable'",
        (digest, reason, int(time.time() * 1000)),
    )
