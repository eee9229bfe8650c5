"""The worker inside a server, for a registry in memory: no other process can see that."""

import threading

from orlop.worker.loop import Loop


class WorkerThread:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._thread = threading.Thread(target=loop.run, name="jobs", daemon=True)

    def look(self) -> None:
        """Starts it, once."""
        if not self._thread.is_alive() and self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        self._loop.stop()
        if self._thread.ident is not None:
            self._thread.join(5.0)
