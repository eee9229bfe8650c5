"""Debian's docker-registry, run as `OrlopServer` runs Orlop, for what both are put through."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.bench.servers import DockerRegistry, Start, _free_port

START_SECONDS = 20.0


class PeerServer:
    """With its metadata cache in memory, deletes on, logs off: as the benchmark has it."""

    def __init__(self, folder: Path, files: Path) -> None:
        """`folder` has its data, `files` its configuration and log."""
        self.data = folder
        self._files = files
        self.log_path = files / "docker-registry.log"
        self.host_port = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self) -> None:
        port = _free_port()
        side = DockerRegistry()
        start = Start(self.data, self._files, None, {})
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                side.command(start, port), env={**os.environ}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.host_port = f"127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(f"docker-registry does not start: {self.log}") from None
                time.sleep(0.01)

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        return 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
