"""Answers, as they came."""

import json
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """One HTTP answer. Header names keep their case; `header` and `every` do not mind it."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    interim: tuple[int, ...] = ()
    """Statuses of the 1xx answers that came before it."""

    def every(self, name: str) -> list[str]:
        """All values of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The one value of a header; its absence and its repetition are failures."""
        values = self.every(name)
        assert len(values) == 1, f"{name} comes {len(values)} times in {self}"
        return values[0]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The codes of an error body."""
        return [error["code"] for error in self.json()["errors"]]

    @property
    def closes(self) -> bool:
        return "close" in [value.lower() for value in self.every("Connection")]

    def __str__(self) -> str:
        lines = [f"{self.status} {self.reason}", *(f"{name}: {value}" for name, value in self.headers)]
        return "\n".join([*lines, "", self.body[:1000].decode("utf-8", "replace")])
