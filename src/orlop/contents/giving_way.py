"""How work that nobody waits for gives way. A parser does so before it loads itself, so this imports little."""

import os

RESTS = 4
"""For so many times as long as it has worked it rests, where a client came meanwhile: a few clients slow it a little,
many leave it one part in five. See `resting.py`."""


def give_way(*, session: bool = False) -> None:
    """Puts the calling thread behind every other one of the machine, for processor and disk.

    `session`: where this process is the first of its session, all of that. A session is a group to the kernel
    (autogroup, sched(7)): what a thread says of itself counts within it alone, and groups share the processors evenly.
    """
    os.setpriority(os.PRIO_PROCESS, 0, 19)  # on Linux, the calling thread
    if hasattr(os, "SCHED_IDLE"):
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # the disk serves such threads last, too
        except OSError:
            pass  # a container's rules may forbid it
    if session and os.getsid(0) == os.getpid():
        try:
            with open("/proc/self/autogroup", "w", encoding="ascii") as group:
                group.write("19")
        except OSError:
            pass  # a kernel without such groups, or a container where they cannot be changed
