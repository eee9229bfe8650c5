"""`orlop serve`."""

import errno
import gc
import sys
from pathlib import Path

import click
import uvloop

from orlop import __version__, telemetry
from orlop.app import open_app
from orlop.cli.settings import settings_options
from orlop.config import Settings, check_exposure
from orlop.domain.errors import StoreRefused
from orlop.web.server import Server


@click.command("serve", short_help="Serve the registry.")
@settings_options("listen", "data", "storage.url", "database.url", "allow_anonymous_push")
def command(settings: Settings) -> None:
    """Serve the registry until SIGTERM or Ctrl-C; running transfers may finish then."""
    check_exposure(settings)
    access = telemetry.configure(settings.log.format, settings.log.level)
    try:
        with open_app(settings) as app:
            server = Server(app, access)
            # What lives now lives to the end: the collector need not look at it again.
            gc.freeze()
            # Requests leave few cycles behind: to look for them at every 700th object costs more than it finds.
            gc.set_threshold(20_000, 20, 50)
            uvloop.run(_serve(server, settings))
    finally:
        access.close()


async def _serve(server: Server, settings: Settings) -> None:
    try:
        await server.serve(lambda url: _tell(settings, url))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StoreRefused(
                f"{settings.listen} is in use: stop what listens there, or choose another address with --listen"
            ) from error
        if error.errno in (errno.EACCES, errno.EADDRNOTAVAIL):
            raise StoreRefused(
                f"cannot listen on {settings.listen} ({error.strerror}): choose another address with --listen"
            ) from error
        raise


def _tell(settings: Settings, url: str) -> None:
    host = url.partition("//")[2]
    lines = [
        f"Orlop {__version__} listens on {url}",
        f"  data    {_place(settings)}",
        f"  access  everyone who reaches {host} may pull, push and delete",
        f"  push    docker tag IMAGE {host}/NAME:TAG && docker push {host}/NAME:TAG",
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _place(settings: Settings) -> str:
    if settings.storage_url == "memory:":
        return "in memory: gone when the server stops"
    return settings.storage_url.removeprefix("file:") if settings.storage.url else str(Path(settings.data).absolute())
