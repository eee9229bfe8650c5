"""The options that several commands share: where the configuration, the data and the store are."""

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from orlop.config import load

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = {
    "listen": click.option("--listen", metavar="HOST:PORT", help="Where to listen.  [default: 127.0.0.1:5000]"),
    "data": click.option("--data", metavar="DIR", help="The folder for everything that is kept.  [default: ./data]"),
    "storage.url": click.option(
        "--storage", "storage_url", metavar="URL", help="Where the content is, if not in DIR/store."
    ),
    "database.url": click.option(
        "--database", "database_url", metavar="URL", help="The database, if not DIR/orlop.db."
    ),
    "scrub.rate": click.option(
        "--rate", "scrub_rate", metavar="SIZE", help="Bytes that are read a second, 0 for any number.  [default: 64MiB]"
    ),
    "allow_anonymous_push": click.option(
        "--allow-anonymous-push",
        is_flag=True,
        default=None,
        help="Listen beyond this machine although everyone who reaches the registry may push and delete.",
    ),
}


def settings_options(*keys: str) -> Callable[[Function], Function]:
    """Adds `--config` and the options for these settings; the command gets one argument, `settings`.

    One that has an argument `read_settings` gets what reads them again, too.
    """

    def decorate(function: Function) -> Function:
        wanted = inspect.signature(function).parameters

        @functools.wraps(function)
        def command(config: Path | None, **arguments: Any) -> Any:
            options = {key: arguments.pop(key.replace(".", "_")) for key in keys}
            read = functools.partial(load, config, os.environ, options)
            if "read_settings" in wanted:
                arguments["read_settings"] = read
            return function(settings=read(), **arguments)

        decorated: Any = command
        for key in reversed(keys):
            decorated = _OPTIONS[key](decorated)
        option = click.option(
            "--config", metavar="FILE", type=click.Path(path_type=Path), help="The configuration file."
        )
        return option(decorated)  # type: ignore[no-any-return]

    return decorate
