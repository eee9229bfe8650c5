"""The command line."""

import click

from orlop.cli.commands import Commands


@click.command(
    "orlop",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has its own help: orlop COMMAND --help",
)
@click.version_option(package_name="orlop", message="%(prog)s %(version)s")
def main() -> None:
    """A container image registry that knows what is inside the images."""
