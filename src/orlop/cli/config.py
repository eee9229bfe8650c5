"""`orlop config`: whether the configuration is right, and what it comes to."""

import json
import os
from pathlib import Path

import click


@click.group
def command() -> None:
    """Check or show the configuration."""


@command.command
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def check(file: Path | None, as_json: bool) -> None:
    """Say whether the registry would start with these settings, or everything that is wrong.

    FILE is by default what `orlop serve` would read. Variables of the environment (ORLOP_*) count too.
    """
    from orlop.config import check_exposure, load_with_origins

    loaded = load_with_origins(file, os.environ, {})
    check_exposure(loaded.settings)
    if as_json:
        click.echo(json.dumps({"ok": True, "file": loaded.file and str(loaded.file)}))
    else:
        click.echo(f"ok: {loaded.file or 'no file, environment and defaults'}")


@command.command
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def show(file: Path | None, as_json: bool) -> None:
    """Print the settings in force as TOML, each with where it came from."""
    from orlop.config import load_with_origins
    from orlop.config.show import as_toml, shown

    loaded = load_with_origins(file, os.environ, {})
    if as_json:
        settings = {key: {"value": value, "from": loaded.origins[key]} for key, value in shown(loaded.settings).items()}
        click.echo(json.dumps({"file": loaded.file and str(loaded.file), "settings": settings}, indent=2))
    else:
        click.echo(as_toml(loaded), nl=False)
