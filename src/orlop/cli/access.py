"""`orlop access`: what the rules allow, and which of them decides."""

import json

import click

from orlop.cli.client import json_option
from orlop.cli.user import on_store
from orlop.config import Settings


@click.group
def command() -> None:
    """Explain what the rules of access come to."""


@command.command
@on_store
@click.argument("account")
@click.argument("repository")
@json_option
def explain(settings: Settings, account: str, repository: str, as_json: bool) -> None:
    """Say what ACCOUNT may do with REPOSITORY, and which rule decides. `anyone` stands for who has not signed in."""
    from orlop.auth.policy import ANONYMOUS, Decision, Policy
    from orlop.cli.store import open_accounts
    from orlop.domain.access import ACTIONS
    from orlop.domain.name import RepositoryName

    name = RepositoryName.parse(repository)
    with open_accounts(settings) as accounts:
        subject = ANONYMOUS if account == "anyone" else accounts.subject(account)
    if settings.access.mode == "open":
        decisions = [Decision(action, True, "access.mode is open: everyone may do everything") for action in ACTIONS]
    elif subject is None:
        decisions = [
            Decision(action, False, f"{account} is disabled, or there is no such account") for action in ACTIONS
        ]
    else:
        decisions = Policy(settings.access.rules).explain(subject, name)
    if as_json:
        document = {"account": account, "repository": name, "decisions": [item._asdict() for item in decisions]}
        click.echo(json.dumps(document, indent=2))
        return
    for decision in decisions:
        click.echo(f"{decision.action:<7} {'yes' if decision.allowed else 'no':<4} {decision.reason}")
