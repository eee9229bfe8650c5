"""The table of commands, and the group that imports a command only when it is called."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import click

from orlop.cli.failure import one_line_errors


class Entry(NamedTuple):
    """A command: `module:attribute` where it lives, and the line for the help, which must not import it."""

    target: str
    summary: str


RUN, LOOK_INSIDE, KEEP, ACCESS = "Run", "Look inside", "Keep", "Access"

GROUPS: dict[str, dict[str, Entry]] = {
    RUN: {
        "serve": Entry("orlop.cli.serve:command", "Serve the registry."),
        "worker": Entry("orlop.cli.worker:command", "Look into the images that were pushed."),
        "config": Entry("orlop.cli.config:command", "Check or show the configuration."),
    },
    LOOK_INSIDE: {
        "repo": Entry("orlop.cli.repo:command", "List or delete the repositories of a registry."),
        "tag": Entry("orlop.cli.tag:command", "List or delete the tags of a repository."),
        "files": Entry("orlop.cli.files:command", "List what is in an image."),
        "cat": Entry("orlop.cli.cat:command", "Write one file of an image."),
        "find": Entry("orlop.cli.find:command", "Find files and more across all images."),
        "packages": Entry("orlop.cli.packages:command", "List packages of an image, or find them in all."),
        "diff": Entry("orlop.cli.diff:command", "Show what differs between two images."),
        "waste": Entry("orlop.cli.waste:command", "Show what an image ships for nothing."),
        "cost": Entry("orlop.cli.cost:command", "Show what pulling an image costs."),
    },
    KEEP: {
        "gc": Entry("orlop.cli.gc:command", "Take away what nothing keeps."),
        "why": Entry("orlop.cli.why:command", "Show what keeps a blob or manifest."),
        "backup": Entry("orlop.cli.backup:command", "Back up the registry into a folder."),
        "restore": Entry("orlop.cli.restore:command", "Make a registry of a backup."),
        "import": Entry("orlop.cli.import_:command", "Take over the images of another registry."),
        "rebuild": Entry("orlop.cli.rebuild:command", "Make the database again from the stored content."),
        "scrub": Entry("orlop.cli.scrub:command", "Check all content, and repair what is damaged."),
        "storage": Entry("orlop.cli.storage:command", "Test the configured storage."),
    },
    ACCESS: {
        "user": Entry("orlop.cli.user:command", "Manage the accounts of people and robots."),
        "group": Entry("orlop.cli.group:command", "Manage groups of accounts."),
        "token": Entry("orlop.cli.token:command", "Manage access tokens and signing keys."),
        "access": Entry("orlop.cli.access:command", "Explain what the rules of access come to."),
        "audit": Entry("orlop.cli.audit:command", "Show who changed what, and who was refused."),
    },
}

COMMANDS: dict[str, Entry] = {name: entry for group in GROUPS.values() for name, entry in group.items()}


def _is_built(entry: Entry) -> bool:
    return importlib.util.find_spec(entry.target.partition(":")[0]) is not None


class Commands(click.Group):
    """The command `orlop`: help by groups, imports on demand, and every error one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, entry in COMMANDS.items() if _is_built(entry)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in (names := self.list_commands(ctx)):
            close = difflib.get_close_matches(args[0], names, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        built = self.list_commands(ctx)
        for title, group in GROUPS.items():
            rows = [(name, entry.summary) for name, entry in group.items() if name in built]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=12)

    def main(  # type: ignore[override]  # click's overloads are for `standalone_mode`, which has no use here
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command that these words (default: the process's) are, and exit."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        with one_line_errors(as_json="--json" in words):
            result = super().main(words, prog_name or self.name, **extra)
        sys.exit(result if isinstance(result, int) else 0)
