"""How the parser of layers locks itself in, before it reads a byte: in whatever way it is led astray after that, it
can neither take more than its limits, nor outlive who started it."""

import ctypes
import resource
import signal
import sys

from orlop.contents.giving_way import RESTS
from orlop.contents.limits import Limits

OUTPUT = 2 << 30
"""Bytes that a table of contents may have, however long the paths in it are."""

_FILES = 32
_GRACE = 5  # seconds between the signal that ends it and the one that nothing can hold

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def confine(limits: Limits) -> None:
    _follow_parent()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, limits.memory)
    _limit(resource.RLIMIT_CPU, limits.cpu, limits.cpu + _GRACE)
    _limit(resource.RLIMIT_FSIZE, OUTPUT)
    _limit(resource.RLIMIT_NOFILE, _FILES)
    _limit(resource.RLIMIT_NPROC, 0)
    # Whoever started it has a clock too, which counts no rests; unless that has died.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds * (1 + RESTS) + _GRACE)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Never above what there is already."""
    _, most = resource.getrlimit(kind)
    values = [soft, soft if hard is None else hard]
    if most != resource.RLIM_INFINITY:
        values = [min(value, most) for value in values]
    resource.setrlimit(kind, (values[0], values[1]))


def _follow_parent() -> None:
    """Die when the thread that started it does; become nobody else."""
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
