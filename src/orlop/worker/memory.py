"""Memory that is not used any more goes back to the system: what one job has used would add to the next one's."""

import ctypes
import gc


def give_back_memory() -> None:
    """The C library keeps what was freed, mostly in pieces; glibc gives it back when asked (malloc_trim(3))."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
