"""What the commands that look into images share: references, waiting for what is not known yet, and what is printed."""

import base64
import functools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import click

from orlop.cli.client import Client, ServerError, Where, parse_where
from orlop.cli.names import nearest_name

Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")

PAUSE = 0.5
"""Seconds between two questions whether it is known now."""

_UNITS = {"s": 1, "m": 60, "h": 3600}
_LETTERS = {"directory": "d", "symlink": "l", "character": "c", "block": "b", "fifo": "p"}


class Wait(click.ParamType[float]):
    """`60s`, `2m`, `0`: a number of seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
        try:
            seconds = float(number) * _UNITS[unit]
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= 86400:
            self.fail(f"{text} is no time: write 30s, 2m or 0", param, ctx)
        return seconds


def image_options(function: Function) -> Function:
    """Adds `--platform` and `--wait`."""
    platform = click.option(
        "--platform", metavar="OS/ARCH", default="", help="Of an image for several platforms, the one for this."
    )
    wait = click.option(
        "--wait",
        metavar="TIME",
        type=Wait(),
        default="60s",
        show_default=True,
        help="How long to wait where nobody has looked into the image yet.",
    )
    return platform(wait(function))


def parse_image(text: str) -> Where:
    """Docker's way: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`. The digest decides; with neither, the tag is `latest`."""
    named, at, digest = text.partition("@")
    where = parse_where(named)
    if not where.name or (at and not digest):
        raise click.UsageError(f"{text} names no image: write NAME:TAG or NAME@DIGEST")
    if digest:
        return where._replace(digest=digest)
    return where if where.tag else where._replace(tag="latest")


def path_of(where: Where, kind: str) -> str:
    """The address of what the API tells of an image."""
    return f"/api/v1/repositories/{quote(where.name)}/-/{kind}/{quote(where.reference, safe=':')}"


def path_in(path: str) -> tuple[str, dict[str, str]]:
    """A path in an image, as it was typed: the end of the address, and the parameters."""
    raw = os.fsencode(path)
    try:
        plain = raw.decode().isprintable()
    except UnicodeDecodeError:
        plain = False
    if plain:
        return quote("/" + path.strip("/")), {}
    return "", {"path_b64": base64.urlsafe_b64encode(raw).decode()}


def ask(client: Client, where: Where, wait: float, question: Callable[[], Result]) -> Result:
    """The answer to a question; asked again, up to `wait` seconds, while the contents of an image are not known yet."""
    from orlop.cli.progress import ProgressLine

    deadline = time.monotonic() + wait
    with nearest_name(client, where), ProgressLine() as line:
        while True:
            try:
                return question()
            except ServerError as error:
                left = deadline - time.monotonic()
                if error.code != "CONTENTS_PENDING":
                    raise
                if left <= 0:
                    raise ServerError(
                        f"{error}; --wait TIME waits longer, and the server's log tells what its worker does",
                        error.code,
                    ) from error
                line.say(f"{where.name} is being looked into …")
                time.sleep(min(PAUSE, left))


def image_text(image: dict[str, Any]) -> str:
    """As a person writes it."""
    return f"{image['repository']}{'@' if ':' in image['reference'] else ':'}{image['reference']}"


def escaped(text: str) -> str:
    """What no terminal should obey is written as `\\x1b`: names come from whoever made the image."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def path_text(item: dict[str, Any], key: str = "path") -> str:
    """A path for people; bytes that are no UTF-8 as `\\xe4`."""
    encoded = item.get(f"{key}_b64")
    if encoded:
        return escaped(base64.b64decode(encoded).decode(errors="backslashreplace"))
    return escaped(item[key] or "")


def mode_text(item: dict[str, Any]) -> str:
    """`drwxr-xr-x`, as `ls -l` has it."""
    mode = int(item["mode"], 8)
    letters = ["rwxrwxrwx"[place] if mode & (1 << (8 - place)) else "-" for place in range(9)]
    for bit, place, letter in ((0o4000, 2, "s"), (0o2000, 5, "s"), (0o1000, 8, "t")):
        if mode & bit:
            letters[place] = letter if letters[place] == "x" else letter.upper()
    return _LETTERS.get(item["type"], "-") + "".join(letters)


def time_text(seconds: int) -> str:
    """In UTC, to the minute."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def step_text(step: str | None, width: int = 60) -> str:
    """The command of a build step, in one line."""
    if not step:
        return "-"
    words = escaped(" ".join(step.split()))
    for shell in ("/bin/sh -c #(nop) ", "/bin/sh -c "):
        words = words.removeprefix(shell)
    return words if len(words) <= width else words[: width - 1] + "…"


ref_argument = functools.partial(click.argument, "ref")()
