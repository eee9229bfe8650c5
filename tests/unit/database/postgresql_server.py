"""A PostgreSQL server of the tests' own: a folder, a socket in it, no port."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

# Words in the order of a language, as servers have them unless told otherwise: the schema's own collation must win.
LOCALE = ("--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "--encoding=UTF8")
SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=200"


def programs() -> Path | None:
    """Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def new_database(self) -> str:
        """The conninfo of an empty place for tables: a schema, which costs less than a database."""
        self._count += 1
        conninfo = f"host={self.folder} user=postgres dbname=postgres"
        with contextlib.closing(psycopg.connect(conninfo, autocommit=True)) as connection:
            connection.execute(f"CREATE SCHEMA test_{self._count}".encode())
        return f"{conninfo} options='-c search_path=test_{self._count}'"


@contextlib.contextmanager
def running(binaries: Path) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="orlop-pg-"))  # a path of pytest's is too long for a socket
    # It refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", str(folder), *arguments]
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(command, user=user, check=True, stdout=log, stderr=log, cwd=folder)

    try:
        if user is not None:
            shutil.chown(folder, user)
        run("initdb", "--auth=trust", "--username=postgres", "--no-sync", *LOCALE)
        run("pg_ctl", "start", "--wait", "--options", f"{SETTINGS} -k {folder}")
        try:
            yield Server(folder)
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")
    finally:
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)
