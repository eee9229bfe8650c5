"""Who asks, and what they may do."""

from typing import NamedTuple

from orlop.domain.access import EVERYTHING, Actions


class Authority:
    """What a caller may do. This one may do everything: the system's own, and everyone's where there are no accounts.

    What is decided here follows from names alone, never from what there is: so a refusal tells nothing of that.
    """

    __slots__ = ()

    @property
    def admin(self) -> bool:
        """Whether the caller may see and change what is no repository's."""
        return True

    @property
    def signed_in(self) -> bool:
        return False

    def actions(self, name: str) -> Actions:
        """What may be done with the repository of that name, whether or not it is there."""
        return EVERYTHING

    def demand(self, action: str, name: str) -> None:
        """Unauthorized or Denied, unless that may be done."""

    def demand_credentials(self) -> None:
        """Unauthorized, unless the caller has shown any, or none are needed."""

    def demand_catalog(self) -> None:
        """Unauthorized, unless names of repositories may be listed."""

    @property
    def readable(self) -> str:
        """An anchored regular expression for the names that may be read; empty: all."""
        return ""

    @property
    def listable(self) -> str:
        """As `readable`, for lists of names: who asks for a list by a token did not name the repositories in it."""
        return ""


class Caller(NamedTuple):
    """Who makes a request, from where, and under which request id. Every use case takes one."""

    account: str = ""
    """The account's name, empty when anonymous."""
    address: str = ""
    """The peer's address, without its port."""
    request_id: str = ""
    authority: Authority = Authority()


SYSTEM = Caller(account="", address="", request_id="system")
