"""Names, references and ids that mean to be paths, and what they must not reach."""

from tests.servers import OrlopServer

HIDDEN = b"what no client may see"

# Names of files that are also good tags: they must be tags and nothing else.
ORDINARY = ["_manifests", "_images_list", "con", "nul.", "secret.txt", "orlop.json", "orlop.db", ".tmp"]

TRICKS = [
    "..", ".", "../..", "%2e%2e", "%2E%2E", "%2e.", ".%2e", "..%2f..", "..%2F", "%2e%2e%2f%2e%2e%2f", "..%5c..",
    "..\\..", "%252e%252e", "%252f", "%252e%252e%252f", "..%252f..", "%c0%ae%c0%ae", "%c0%af", "%e0%80%ae",
    "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "%e2%80%a4%e2%80%a4", "%00", "..%00", "a%00b", "%0a", "a%0a", "%7f", "%1b%5b",
    "%0d%0aX-Evil:%20yes", "%ff", "%fe%ff", "%ed%a0%80", "%", "%2", "%zz", "~", "~root", "%7eroot", "$HOME",
    "%24%7bHOME%7d", "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd", "C:%5c", "%5c%5chost%5cshare", "a;b", "a%3bb",
    "!", "%21", "*", "%2a", "|id", "%60id%60", "'", "%27%20OR%20%271%27=%271", "%22", "<script>", "{}", "%7b%7d", "#",
    "a" * 5000, "%2e" * 1000, "\xe4", "\xff", *ORDINARY,
]  # fmt: skip


def outside(server: OrlopServer) -> dict[str, bytes]:
    """All that lies in the data folder and not in the parts of the tree that pushes write to."""
    assert server.data is not None
    parts = {"repositories", "blobs", "uploads", "images", "layers", "chains", ".tmp"}
    found = [*server.data.iterdir(), *(server.data / "store").iterdir()]
    return {
        str(path.relative_to(server.data)): path.read_bytes() if path.name == "secret.txt" else b""
        for path in found
        if path.name not in parts and not path.name.startswith("orlop.db-") and path.suffix != ".lock"
    }
