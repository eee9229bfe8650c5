"""Who asks."""

from typing import NamedTuple


class Caller(NamedTuple):
    """Who makes a request, from where, and under which request id. Every use case takes one."""

    account: str = ""
    """The account's name, empty when anonymous."""
    address: str = ""
    """The peer's address, without its port."""
    request_id: str = ""


SYSTEM = Caller(account="", address="", request_id="system")
