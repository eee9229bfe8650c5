"""What the table of routes is made of."""

from typing import Any, NamedTuple

from orlop.domain.access import PULL
from orlop.domain.errors import OrlopError
from orlop.web.api.calls import Handler
from orlop.web.api.queries import Parameter


class Operation(NamedTuple):
    """One method of a path: who answers, with what, and what may go wrong beside what may everywhere."""

    handler: Handler
    summary: str
    answer: Any
    """The type of the answer's document."""
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[OrlopError], ...] = ()
    action: str = PULL
    """What the caller must be allowed to do with the repository, where the path names one."""
    serves_files: bool = False
    """Whether the answer may be the bytes of a file in place of the document."""
    needs: str = ""
    """Where it names none: `catalog`, `account` or `admin`; nothing: it is for everyone."""


class Route(NamedTuple):
    """One path. `{name}` in it stands for a repository's name, whatever number of segments that has, and `{path}` at
    its end for a path in an image, with any number of them or none."""

    name: str
    """For logs and metrics."""
    path: str
    operations: dict[str, Operation]

    @property
    def shape(self) -> tuple[str, ...]:
        """Its segments, `{}` for those that vary."""
        return tuple("{}" if segment.startswith("{") else segment for segment in self.path.split("/"))

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(name for method in self.operations for name in (("GET", "HEAD") if method == "GET" else (method,)))

    def operation(self, method: str) -> Operation | None:
        """HEAD is answered like GET, without the body."""
        return self.operations.get("GET" if method == "HEAD" else method)
