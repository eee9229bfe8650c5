"""Orlop as a user runs it: a process of its own, on a free port."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 20.0

in_front: list[str] = []
"""The words before every command of Orlop's, for programs that change how all of them run."""


def command(*words: str, wrapper: tuple[str, ...] = ()) -> list[str]:
    """`orlop` with these words, as it is started here."""
    return [*in_front, *wrapper, sys.executable, "-m", "orlop", *words]


class OrlopServer:
    """`orlop serve` in a subprocess while the block lasts.

    `settings` are environment variables without their prefix: `LIMITS_LEASE="2s"` sets ORLOP_LIMITS_LEASE.
    """

    def __init__(
        self,
        data: Path | None = None,
        storage: str = "local",
        *,
        listen: str = "127.0.0.1:0",
        arguments: tuple[str, ...] = (),
        wrapper: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="orlop-test-") if data is None else None
        self.data = Path(self._folder.name) if data is None and self._folder is not None else Path(data or "")
        self._listen = listen
        self._arguments = arguments
        self._wrapper = wrapper
        self._settings = {"STORAGE_URL": "memory:"} if storage == "memory" else {}
        # Most tests are about something else, and each would start a worker: those that want one name this setting.
        self._settings |= {"CONTENTS_ENABLED": "false"} | settings
        self.log_path = Path(tempfile.mkstemp(prefix="orlop-log-")[1])
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def host_port(self) -> str:
        """`127.0.0.1:PORT`, as clients write it in front of a repository's name."""
        return self.url.partition("//")[2]

    @property
    def log(self) -> str:
        """What the server has written to standard error."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def environment(self) -> dict[str, str]:
        """That of the server, and of commands beside it."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}
        return inherited | {f"ORLOP_{key}": value for key, value in self._settings.items()}

    def start(self) -> Self:
        """Starts the server and waits until it listens."""
        words = command(
            "serve", "--listen", self._listen, "--data", str(self.data), *self._arguments, wrapper=self._wrapper
        )
        before = len(self.log)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                words, env=self.environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + START_SECONDS
        while (found := re.search(r"listens on (\S+)", self.log[before:])) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start:\n{self.log[before:]}")
            time.sleep(0.01)
        self.url = found[1]
        return self

    def stop(self, timeout: float = 40.0) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {timeout} s:\n{self.log[-4000:]}") from None

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> Self:
        """Stops and starts on the same data; the address may change."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                status = self.stop()
                assert kind is not None or status == 0, f"exit status {status}:\n{self.log[-4000:]}"
        finally:
            self.log_path.unlink(missing_ok=True)
            if self._folder is not None:
                self._folder.cleanup()
