"""Orlop with one thread in each pool, so that system calls come in the same order and number in every run.

In front of the server's own command: `python -m tests.faults.one_thread PYTHON -m orlop serve …`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from orlop.cli import main
from orlop.web import pools

WRAPPER = (sys.executable, str(Path(__file__).absolute()))


class _OneCase(pools.CasePool):
    def __init__(self, _: int) -> None:
        super().__init__(1)


class _OneWorker(ThreadPoolExecutor):
    def __init__(self, _: int, **more: Any) -> None:
        super().__init__(1, **more)


if __name__ == "__main__":
    vars(pools).update(CasePool=_OneCase, ThreadPoolExecutor=_OneWorker)
    main(sys.argv[4:])
