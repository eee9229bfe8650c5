"""Accounts and access of one registry, put together. There is none in a registry that is open to all."""

from pathlib import Path
from typing import NamedTuple

from orlop.auth.accounts import Accounts
from orlop.auth.htpasswd import Htpasswd
from orlop.auth.policy import Policy
from orlop.auth.sign_in import SignIn
from orlop.auth.signing import Signer
from orlop.auth.token_service import TokenService
from orlop.database.engine import Database
from orlop.domain.access import Rule


class Options(NamedTuple):
    """`htpasswd`: empty for none. `lifetime` of tokens in seconds; `failures`: see `SignIn`."""

    rules: tuple[Rule, ...]
    htpasswd: str
    service: str
    lifetime: float
    failures: int


class Access:
    def __init__(self, database: Database, options: Options) -> None:
        """StoreRefused: the htpasswd file cannot be read."""
        signer = Signer(database)
        signer.load()
        htpasswd = Htpasswd(Path(options.htpasswd)) if options.htpasswd else None
        self.accounts = Accounts(database, lambda name: htpasswd is not None and name in htpasswd.hashes())
        self.sign_in = SignIn(
            database,
            self.accounts,
            Policy(options.rules),
            signer,
            htpasswd,
            failures=options.failures,
            service=options.service,
        )
        self.tokens = TokenService(signer, self.accounts, service=options.service, lifetime=options.lifetime)

    def use(self, rules: tuple[Rule, ...]) -> None:
        """Goes on with these rules."""
        self.sign_in.use(Policy(rules))
