"""What collections have done."""

import json
import re
import urllib.request

from tests.faults import collecting
from tests.servers import OrlopServer


def collect(server: OrlopServer, lease: float) -> int:
    """Takes away what nothing keeps, whether the server runs or not; bytes. `lease`: the server's, in seconds."""
    said = collecting.collect(server.data, "--json", lease=lease)
    return int(json.loads(said.splitlines()[0])["bytes"])


def collections(server: OrlopServer) -> tuple[int, int]:
    """How many runs the server's process has ended, and how many bytes they took away."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return _metric(text, "orlop_collections_total"), _metric(text, "orlop_collected_bytes_total")


def _metric(text: str, name: str) -> int:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0
