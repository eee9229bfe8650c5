"""`orlop serve`."""

import errno
import gc
import sys
from collections.abc import Callable
from pathlib import Path

import click
import uvloop

from orlop import __version__, telemetry
from orlop.app import App, open_app
from orlop.cli.settings import settings_options
from orlop.config import Settings, check_exposure
from orlop.domain.caller import SYSTEM
from orlop.domain.errors import StoreRefused
from orlop.web.housekeeping import Worker
from orlop.web.server import Server
from orlop.worker.process import WorkerProcess, note

ADMIN = "admin"


@click.command("serve", short_help="Serve the registry.")
@settings_options("listen", "data", "storage.url", "database.url", "allow_anonymous_push")
def command(settings: Settings, read_settings: Callable[[], Settings]) -> None:
    """Serve the registry until SIGTERM or Ctrl-C; running transfers may finish then."""
    check_exposure(settings)
    access = telemetry.configure(settings.log.format, settings.log.level)
    try:
        with open_app(settings) as app:
            server = Server(app, access, read_settings, _worker(app))
            _make_first_admin(app)
            # What lives now lives to the end: the collector need not look at it again.
            gc.freeze()
            # Requests leave few cycles behind: to look for them at every 700th object costs more than it finds.
            gc.set_threshold(20_000, 20, 50)
            uvloop.run(_serve(server, settings))
    finally:
        access.close()


def _worker(app: App) -> Worker | None:
    """What does the jobs: a process, or a thread where nobody else sees the store."""
    settings = app.settings
    if app.index is None or not settings.contents.worker:
        return None
    if settings.storage_url == "memory:":
        # Loaded only where it is needed: the process has them of its own.
        from orlop.worker.assembly import loop_of
        from orlop.worker.thread import WorkerThread

        return WorkerThread(loop_of(settings, app.storage, app.database, app.index, note, yielding=False))
    return WorkerProcess(settings, app.database)


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
        f"  access  {_access(settings, host)}",
        f"  push    docker tag IMAGE {host}/NAME:TAG && docker push {host}/NAME:TAG",
    ]
    if _is_overheard(settings):
        lines.append("  warning passwords cross the network in clear: set tls.cert, or an https public_url")
    print("\n".join(lines), file=sys.stderr, flush=True)


def _access(settings: Settings, host: str) -> str:
    if settings.access.mode == "open":
        return f"everyone who reaches {host} may pull, push and delete"
    count = len(settings.access.rules)
    return f"accounts, {count} rule{'' if count == 1 else 's'}; sign in with: docker login {host}"


def _is_overheard(settings: Settings) -> bool:
    """Whether clients sign in beyond this machine without TLS, as far as the configuration tells."""
    protected = settings.tls.cert or settings.public_url.startswith("https://") or settings.address.is_loopback
    return settings.access.mode == "accounts" and not protected


def _make_first_admin(app: App) -> None:
    """The first admin of a registry that has no account, as the configuration asks for."""
    if app.access is None:
        return
    settings, accounts = app.settings, app.access.accounts
    if accounts.every():
        return
    if settings.admin_password_file:
        accounts.create(SYSTEM, ADMIN, _password_of(Path(settings.admin_password_file)), admin=True)
        print(f"  made the account {ADMIN} with the password in {settings.admin_password_file}", file=sys.stderr)
    elif settings.access.htpasswd:
        return
    elif settings.access.first_admin == "print" and app.access_is_new:
        from orlop.auth.passwords import new_password

        password = new_password()
        accounts.create(SYSTEM, ADMIN, password, admin=True)
        print(f"  made the account {ADMIN} with the password {password}, which is not shown again", file=sys.stderr)
    else:
        print(f"  there is no account: make one with `orlop user create {ADMIN} --admin`", file=sys.stderr)


def _password_of(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "it is not UTF-8"
        raise StoreRefused(f"admin_password_file = {path}: cannot be read ({told})") from error
    return text.removesuffix("\n").removesuffix("\r")


def _place(settings: Settings) -> str:
    if settings.storage_url == "memory:":
        return "in memory: gone when the server stops"
    return settings.storage_url.removeprefix("file:") if settings.storage.url else str(Path(settings.data).absolute())
