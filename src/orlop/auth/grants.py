"""What a caller may do in a registry with accounts: the policy's answer, less what the caller's token leaves out."""

from collections.abc import Mapping

from orlop.auth.policy import Policy, Subject
from orlop.domain.access import NO_REPOSITORY, NOTHING, PULL, PUSH, Actions, Scope, any_of, both, closed
from orlop.domain.caller import Authority
from orlop.domain.errors import Denied, Unauthorized

MOST_REMEMBERED = 4096
CATALOG = "registry:catalog:*"


class Grants(Authority):
    """One caller's, as long as policy, account and token stay what they are.

    A caller who is unknown, or who shows a token of the token service, may get further with other credentials, so the
    refusal asks for them (401). Where the account itself was shown, the refusal is final (403).
    """

    __slots__ = (
        "_access", "_catalog", "_known", "_policy", "_scopes", "expires_at", "subject", "token_id",
    )  # fmt: skip

    def __init__(
        self,
        policy: Policy,
        subject: Subject,
        *,
        expires_at: float,
        token_id: str = "",
        scopes: tuple[Scope, ...] = (),
        access: Mapping[str, Actions] | None = None,
        catalog: bool = True,
    ) -> None:
        """`expires_at`: in seconds since 1970. `scopes` of an access token; none: all.

        `access`: what a token of the token service lists by repository; None where the caller shows something else.
        """
        self._policy = policy
        self._scopes = scopes
        self._access = access
        self._catalog = catalog
        self._known: dict[str, Actions] = {}
        self.subject = subject
        self.token_id = token_id
        self.expires_at = expires_at

    @property
    def admin(self) -> bool:
        return self.subject.admin and not self._scopes and self._access is None

    @property
    def signed_in(self) -> bool:
        return self.subject.signed_in

    @property
    def derived(self) -> bool:
        """Whether they come from a token of the token service, which must not beget another."""
        return self._access is not None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return self._scopes

    def actions(self, name: str) -> Actions:
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            found = self._known[name] = self._decide(name)
        return found

    def demand(self, action: str, name: str) -> None:
        if action in self.actions(name):
            return
        if self.signed_in and self._access is None:
            raise Denied(f"{self.subject.name} may not {action} {name}", detail={"name": name, "action": action})
        wanted = f"{PULL},{PUSH}" if action == PUSH else action
        raise self._unauthorized(f"repository:{name}:{wanted}")

    def demand_credentials(self) -> None:
        if not self.signed_in and not self.derived:
            raise Unauthorized

    def demand_catalog(self) -> None:
        if self._access is not None and not self._catalog:
            raise self._unauthorized(CATALOG)
        if not self.signed_in and self.listable == NO_REPOSITORY:
            raise self._unauthorized(CATALOG)

    @property
    def readable(self) -> str:
        if self._access is None:
            return self.listable
        return any_of(name.replace(".", r"\.") for name in self._access if PULL in self.actions(name))

    @property
    def listable(self) -> str:
        allowed = self._policy.readable(self.subject)
        if not self._scopes:
            return allowed
        expressions = [scope.pattern.expression(self.subject.name) for scope in self._scopes if PULL in scope.actions]
        return both(allowed, any_of(expression for expression in expressions if expression is not None))

    def _decide(self, name: str) -> Actions:
        found = self._policy.actions(self.subject, name)
        if self._scopes:
            scoped = NOTHING
            for scope in self._scopes:
                if scope.pattern.matches(name, self.subject.name):
                    scoped |= scope.actions
            found &= scoped
        if self._access is not None:
            found &= self._access.get(name, NOTHING)
        return closed(found) if PULL in found else NOTHING

    def _unauthorized(self, scope: str) -> Unauthorized:
        error = "insufficient_scope" if self._access is not None else ""
        message = "the token is not good for this" if error else None
        return Unauthorized(message, scope=scope, error=error)
