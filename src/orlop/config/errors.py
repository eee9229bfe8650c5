"""What is wrong with a configuration."""

from collections.abc import Iterable

from orlop.domain.errors import OrlopError


class ConfigurationError(OrlopError):
    """The settings cannot be used. Each of `problems` is one line: where it was set, what is wrong, what to do."""

    message = "the configuration is wrong"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), detail=list(self.problems))
