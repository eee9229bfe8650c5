"""How a command fails: one line for each thing that is wrong, with its remedy, and an exit code. Never a traceback."""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


@contextmanager
def one_line_errors(*, as_json: bool) -> Iterator[None]:
    """End the process with a line on standard error and an exit code for whatever the block raises.

    With `as_json` the line is an object, `{"errors": [{"message": …}]}`. Codes: 1 the command failed, 2 its options or
    the configuration are wrong, 130 interrupted.
    """
    try:
        yield
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(MISUSED)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001  # whatever it is, a person gets a line and not a traceback
        messages, code = _explain(error)
        _print(messages, as_json=as_json)
        sys.exit(code)


def _explain(error: Exception) -> tuple[list[str], int]:
    if isinstance(error, click.ClickException):
        return [_usage(error)], error.exit_code
    # Imported only now: a command that goes well and needs no configuration does not pay for it.
    from orlop.config.errors import ConfigurationError
    from orlop.domain.errors import OrlopError

    if isinstance(error, ConfigurationError):
        return list(error.problems), MISUSED
    if isinstance(error, OrlopError):
        return [str(error)], FAILED
    if isinstance(error, OSError) and error.strerror:
        return [f"{error.filename}: {error.strerror}" if error.filename else error.strerror], FAILED
    return [_internal(error)], FAILED


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        stop = "" if message.endswith((".", "?")) else "."
        return f"{message}{stop} See: {error.ctx.command_path} --help"
    return message


def _internal(error: Exception) -> str:
    if os.environ.get("ORLOP_LOG_LEVEL") == "debug":
        traceback.print_exception(error)
    return f"internal error: {type(error).__name__}: {error}; with ORLOP_LOG_LEVEL=debug it says where"


def _print(messages: list[str], *, as_json: bool) -> None:
    lines = [" ".join(message.split()) for message in messages]
    if as_json:
        click.echo(json.dumps({"errors": [{"message": line} for line in lines]}), err=True)
        return
    for line in lines:
        click.echo(f"orlop: {line}", err=True)
