"""`orlop cat`: one file of an image."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from orlop.cli.client import ServerError, client_for, server_option
from orlop.cli.images import ask, image_options, parse_image, path_in, path_of, ref_argument

CLOSED = 141
"""The exit code where whoever reads has had enough: as of a program that SIGPIPE ends."""


@click.command("cat")
@ref_argument
@click.argument("path")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there, once it has come whole."
)
@image_options
@server_option
def command(ref: str, path: str, output: Path | None, platform: str, wait: float, server: str | None) -> int:
    """Write the bytes of the file PATH of the image REF to standard output.

    Links are followed inside the image. Of the layer, only the part with the file is read.
    """
    where = parse_image(ref)
    client = client_for(server, where)
    end, parameters = path_in(path)
    with contextlib.ExitStack() as stack:
        pieces = ask(
            client,
            where,
            wait,
            lambda: stack.enter_context(
                client.download(path_of(where, "files") + end, platform=platform, **parameters)
            ),
        )
        if pieces is None:
            raise ServerError(f"{path} is a directory: `orlop files {ref} {path}` lists it")
        if output is not None:
            with _replaced(output) as file:
                file.writelines(pieces)
            return 0
        return _write(pieces)


def _write(pieces: Iterator[bytes]) -> int:
    out = sys.stdout.buffer
    try:
        for piece in pieces:
            out.write(piece)
        out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
        return CLOSED
    return 0


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of what is there once the block has gone well."""
    if path.exists() and not path.is_file():  # a pipe, a device
        with path.open("wb") as file:
            yield file
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.chmod(file.name, 0o666 & ~_umask())
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
