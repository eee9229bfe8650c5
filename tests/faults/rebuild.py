"""A registry that has lost its database and makes it again from the tree."""

import subprocess

from tests.servers import OrlopServer, command


def rebuild(server: OrlopServer) -> str:
    """Deletes the stopped server's database and runs `orlop rebuild`; what that printed."""
    found = list(server.data.glob("orlop.db*"))
    assert found
    for path in found:
        path.unlink()
    done = subprocess.run(
        command("rebuild", "--data", str(server.data)), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stdout, done.stdout
    return done.stdout
