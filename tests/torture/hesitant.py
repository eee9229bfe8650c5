"""Orlop that now and then hesitates between two steps, so that what runs beside comes between them.

In front of the server's own command: `python tests/torture/hesitant.py PYTHON -m orlop serve …`.
"""

import random
import sys
import time
from collections.abc import Callable
from typing import Any

from orlop.cli import main
from orlop.database import garbage
from orlop.storage.local import LocalStorage

CHANCE, OFTEN = 0.03, 0.15
LONGEST = 0.15


def _hesitating(method: Callable[..., Any], *, before: bool, chance: float = CHANCE) -> Callable[..., Any]:
    def hesitate() -> None:
        if random.random() < chance:
            time.sleep(random.uniform(0, LONGEST))

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if before:
            hesitate()
        result = method(*arguments, **named)
        if not before:
            hesitate()
        return result

    return wrapped


if __name__ == "__main__":
    # Before an object is removed, when its row says so already; after one was put, when no row says so yet; before a
    # name is written, which others may move meanwhile.
    LocalStorage.remove = _hesitating(LocalStorage.remove, before=True)  # type: ignore[method-assign]
    LocalStorage.put_contents = _hesitating(LocalStorage.put_contents, before=True)  # type: ignore[method-assign]
    for name in ("put_contents", "link", "move"):
        setattr(LocalStorage, name, _hesitating(getattr(LocalStorage, name), before=False))
    # Between a look at what nothing keeps and the step that takes it away.
    for name in ("page_of_blobs", "page_of_links", "page_in", "page_of_manifests"):
        setattr(garbage, name, _hesitating(getattr(garbage, name), before=False, chance=OFTEN))
    main(sys.argv[4:])
