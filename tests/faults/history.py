"""What clients did and were told, and what may be the case afterwards.

Each thing that a registry holds (a tag, a manifest, a blob in a repository) is a register: a value that requests write.
A request that was answered took effect between its start and its end; one that was refused did not; one of which nobody
heard the end may have taken effect at any time after its start, or never.
"""

import copy
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.protocol.answer import Answer

ABSENT = ""


@dataclass
class Write:
    value: str
    started: float
    ended: float = math.inf
    """Infinite while the outcome is unknown."""


class Register:
    """One thing and all that was written to it."""

    def __init__(self) -> None:
        self.writes = [Write(ABSENT, -1.0, 0.0)]

    def allowed(self) -> set[str]:
        """The values that it may have when no request is running: those after which no other was acknowledged."""
        latest_start = max(write.started for write in self.writes if write.ended < math.inf)
        return {write.value for write in self.writes if write.ended >= latest_start}

    @property
    def is_settled(self) -> bool:
        """Whether nothing was written to it since its value was last looked at."""
        return len(self.writes) == 1

    def settle(self, value: str) -> None:
        """Takes the value that was found for the one that it has."""
        now = time.monotonic()
        self.writes = [Write(value, now, now)]


class Key(NamedTuple):
    kind: str
    """`tag`, `manifest` or `blob`."""
    repository: str
    name: str


@dataclass
class Upload:
    """An upload session: what was sent, and how much of it the registry has acknowledged."""

    repository: str
    location: str
    content: bytes
    acknowledged: int = 0
    sent: int = 0
    closing: bool = False
    """A closing PUT or a DELETE was sent, with unknown outcome."""
    broken: bool = False
    """A chunk was refused: nobody goes on before having asked where the upload stands."""


@dataclass
class History:
    """Shared by all clients."""

    registers: dict[Key, Register] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    """By digest, of blobs and manifests."""
    media_types: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    """Open ones, by location."""
    acknowledged: int = 0
    unknown: int = 0
    refused: int = 0
    surprises: list[str] = field(default_factory=list)
    """Answers that no client should get."""
    lease: float = math.inf
    """Seconds for which a blob is kept that no manifest names; infinite where nothing is collected."""
    kept_until: dict[Key, float] = field(default_factory=dict)
    """Until when that keeps each blob."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def copied(self) -> "History":
        """What is known now, for another registry that was one with this so far."""
        copied = History(copy.deepcopy(self.registers), self.contents, self.media_types, lease=self.lease)
        copied.kept_until = dict(self.kept_until)
        return copied

    @contextmanager
    def writing(self, *changes: tuple[Key, str]) -> "Iterator[Attempt]":
        """Around a request that writes these values: `attempt.answer(...)` says how it ended."""
        started = time.monotonic()
        writes = [Write(value, started) for _, value in changes]
        with self._lock:
            for (key, _), write in zip(changes, writes, strict=True):
                self.registers.setdefault(key, Register()).writes.append(write)
        attempt = Attempt()
        yield attempt
        with self._lock:
            self._settle(attempt, changes, writes)

    def _settle(self, attempt: "Attempt", changes: tuple[tuple[Key, str], ...], writes: list[Write]) -> None:
        ended = time.monotonic()
        if attempt.outcome == "acknowledged":
            self.acknowledged += 1
            for (key, _), write in zip(changes, writes, strict=True):
                write.ended = ended
                self._keep(key, write.started + self.lease)
        elif attempt.outcome == "refused":
            self.refused += 1
            for (key, _), write in zip(changes, writes, strict=True):
                self.registers[key].writes.remove(write)
        else:
            self.unknown += 1

    def found(self, key: Key, since: float) -> None:
        """A HEAD by somebody who may push, sent at that time, has said that the blob is there."""
        with self._lock:
            self._keep(key, since + self.lease / 2)

    def may_be_collected(self, key: Key) -> bool:
        """Whether no lease keeps it any more."""
        return key.kind == "blob" and time.monotonic() >= self.kept_until.get(key, 0.0)

    def _keep(self, key: Key, until: float) -> None:
        self.kept_until[key] = max(until, self.kept_until.get(key, 0.0))

    def value_of(self, key: Key) -> str | None:
        """The one value that the register can have; None where that is not certain."""
        register = self.registers.get(key)
        allowed = register.allowed() if register is not None else {ABSENT}
        return next(iter(allowed)) if len(allowed) == 1 else None

    def keys(self, kind: str, repository: str) -> list[Key]:
        return [key for key in list(self.registers) if key.kind == kind and key.repository == repository]

    def repositories(self) -> list[str]:
        return sorted({key.repository for key in self.registers})


class Attempt:
    """How one request ended."""

    def __init__(self) -> None:
        self.outcome = "unknown"

    def settle(self, answer: Answer | None) -> bool:
        """Whether it was acknowledged. An error of the server leaves open whether anything happened."""
        if answer is None or answer.status >= 500:
            self.outcome = "unknown"
        else:
            self.outcome = "acknowledged" if answer.status < 300 else "refused"
        return self.outcome == "acknowledged"
