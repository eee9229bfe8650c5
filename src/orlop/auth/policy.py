"""Who may do what with which repository: the rules of the configuration, applied to a name. Pure."""

from typing import NamedTuple

from orlop.domain.access import ACTIONS, EVERYTHING, NOTHING, Actions, Rule, any_of


class Subject(NamedTuple):
    """Whom the rules look at."""

    name: str = ""
    """The account's name, empty when anonymous."""
    groups: frozenset[str] = frozenset()
    admin: bool = False

    @property
    def signed_in(self) -> bool:
        return bool(self.name)


ANONYMOUS = Subject()


class Decision(NamedTuple):
    """Whether an action is allowed, and which rule decided, or why none did."""

    action: str
    allowed: bool
    reason: str


class Policy:
    """Rules add up: what any of them allows is allowed, in whatever order they stand; all else is not."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules

    def actions(self, subject: Subject, repository: str) -> Actions:
        if subject.admin:
            return EVERYTHING
        found = NOTHING
        for rule in self.rules:
            if not rule.actions <= found and _means(rule, subject) and rule.pattern.matches(repository, subject.name):
                found |= rule.actions
        return found

    def explain(self, subject: Subject, repository: str) -> list[Decision]:
        """For each action, what is decided and by which rule."""
        return [self._decide(subject, repository, action) for action in ACTIONS]

    def readable(self, subject: Subject) -> str:
        """An anchored regular expression for every repository that the subject may pull from; empty: all."""
        if subject.admin:
            return ""
        expressions = [rule.pattern.expression(subject.name) for rule in self.rules if _means(rule, subject)]
        return any_of(expression for expression in expressions if expression is not None)

    def _decide(self, subject: Subject, repository: str, action: str) -> Decision:
        if subject.admin:
            return Decision(action, True, f"{subject.name} is an admin")
        for number, rule in enumerate(self.rules, start=1):
            if action in rule.actions and _means(rule, subject) and rule.pattern.matches(repository, subject.name):
                return Decision(action, True, f'rule {number}, "{rule.text}"')
        return Decision(action, False, "no rule allows it")


def _means(rule: Rule, subject: Subject) -> bool:
    if rule.who == "anyone":
        return True
    if not subject.signed_in:
        return False
    kind, _, name = rule.who.partition(":")
    return kind == "signed-in" or (name == subject.name if kind == "account" else name in subject.groups)
