"""Things that take long to make are made once a machine, and kept outside the checkout."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "orlop-tests"


def made_once(name: str, recipe: Mapping[str, object], make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled for this recipe: now, or at some earlier time on this machine.

    The recipe is what it is made of: another recipe gets another folder, and older ones of that name are removed.
    Whoever asks at the same time waits. A `make` that fails leaves nothing.
    """
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{name}-{key}"
    with _only_one(root / f"{name}.lock"):
        if not folder.exists():
            for old in root.glob(f"{name}-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=root, prefix=".making-") as unfinished:
                content = Path(unfinished) / "content"
                content.mkdir()
                make(content)
                content.rename(folder)
    return folder


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
