"""`orlop gc`, and what a server's collection has done."""

import re
import subprocess
import urllib.request

from orlop.cli.commands import COMMANDS
from tests.servers import OrlopServer, command

PATIENCE = 300.0
COLLECTS = "gc" in COMMANDS


def collect(server: OrlopServer) -> int | None:
    """Everything that nothing keeps, whether the server runs or not. Bytes; None where there is no collection."""
    if not COLLECTS:
        return None
    words = command("gc", "--json", "--data", str(server.data))
    done = subprocess.run(
        words, env=server.environment(), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, f"orlop gc: {done.stderr}"
    return int(re.search(r'"bytes": ?(\d+)', done.stdout)[1])  # type: ignore[index]


def collections(server: OrlopServer) -> tuple[int, int]:
    """How many runs the server's process has ended, and how many bytes they took away."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return _metric(text, "orlop_collections_total"), _metric(text, "orlop_collected_bytes_total")


def _metric(text: str, name: str) -> int:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0
