"""Which driver a storage URL means."""

from orlop.domain.errors import StoreRefused
from orlop.storage.base import Storage
from orlop.storage.local import LocalStorage
from orlop.storage.memory import MemoryStorage

KNOWN = "file:PATH, file:///PATH or memory:"


def open_storage(url: str, *, allow_network_filesystem: bool = False) -> Storage:
    """Open the store at `url`; StoreRefused if no driver knows it or its driver refuses.

    PATH is taken as it stands: nothing in it is decoded.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "memory" and not rest:
        return MemoryStorage()
    if scheme == "file" and rest.startswith("///"):
        rest = f"/{rest.lstrip('/')}"
    if scheme == "file" and rest and not rest.startswith("//") and "\0" not in rest:
        return LocalStorage(rest, allow_network_filesystem=allow_network_filesystem)
    # Only the scheme is shown: the rest may hold a secret.
    raise StoreRefused(f"a storage URL of the kind {scheme!r} isn't known: set storage.url to {KNOWN}")
