"""The two servers: each is started as its users would start it, on a free port of loopback, and always stopped."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from tests.bench.certificate import Certificate
from tests.bench.connection import Connection, Target
from tests.bench.errors import BenchError

READY_TIMEOUT = 30.0
STOP_TIMEOUT = 45.0


@dataclass(frozen=True)
class Start:
    """What a server is started with: its data folder, where its log and configuration may lie, and settings."""

    data: Path
    folder: Path
    certificate: Certificate | None
    settings: Mapping[str, str]


class Side(Protocol):
    """One of the two programs that are compared."""

    name: str
    title: str

    def version(self) -> str: ...

    def command(self, start: Start, port: int) -> list[str]: ...

    def environment(self, start: Start) -> dict[str, str]: ...


class Orlop:
    """As shipped: durable, metrics on, JSON logs (its stderr is a file)."""

    name = "orlop"
    title = "Orlop"

    def version(self) -> str:
        done = subprocess.run([self._program(), "--version"], capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def _program(self) -> str:
        program = Path(sys.executable).with_name("orlop")
        if not program.exists():
            raise BenchError(f"orlop is not installed beside {sys.executable}: pip install -e .")
        return str(program)

    def command(self, start: Start, port: int) -> list[str]:
        return [self._program(), "serve", "--listen", f"127.0.0.1:{port}", "--data", str(start.data)]

    def environment(self, start: Start) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORLOP_")}
        tls = start.certificate
        named = {"ORLOP_TLS_CERT": str(tls.cert), "ORLOP_TLS_KEY": str(tls.key)} if tls else {}
        return {**inherited, **named, **start.settings}


_PEER_CONFIGURATION = """\
version: 0.1
log:
  level: error
  accesslog: {{disabled: true}}
storage:
  filesystem: {{rootdirectory: {data}}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: 127.0.0.1:{port}
{tls}
health:
  storagedriver: {{enabled: false}}
"""


class DockerRegistry:
    """Debian's docker-registry at its fastest: descriptors cached in memory, no logs, no health checks."""

    name = "peer"
    title = "docker-registry 2.8.2"

    def version(self) -> str:
        done = subprocess.run([self._program(), "--version"], capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def _program(self) -> str:
        program = shutil.which("docker-registry")
        if not program:
            raise BenchError("docker-registry is not installed: apt-get install docker-registry")
        return program

    def command(self, start: Start, port: int) -> list[str]:
        tls = start.certificate
        lines = f"  tls: {{certificate: {tls.cert}, key: {tls.key}}}" if tls else ""
        file = start.folder / "docker-registry.yml"
        file.write_text(_PEER_CONFIGURATION.format(data=start.data, port=port, tls=lines))
        return [self._program(), "serve", str(file)]

    def environment(self, start: Start) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}


class Server:
    """A running server; leaving the block stops it. BenchError: it does not start, or does not stop cleanly."""

    def __init__(self, side: Side, start: Start) -> None:
        self.side = side
        self._start = start
        self._log = start.folder / f"{side.name}.log"

    def __enter__(self) -> Self:
        port = _free_port()
        self.target = Target(port, self._start.certificate.cert if self._start.certificate else None)
        # The kernel kills the server should the benchmark itself be killed.
        command = ["setpriv", "--pdeathsig", "KILL", "--", *self.side.command(self._start, port)]
        environment = self.side.environment(self._start)
        with self._log.open("wb") as log:
            begun = time.monotonic()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            self._wait_until_ready(begun + READY_TIMEOUT)
        except BaseException:
            self._kill()
            raise
        self.ready_seconds = time.monotonic() - begun
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BenchError(f"{self.side.title} ended at its start:\n{self.log_tail()}")
            try:
                with Connection(self.target) as connection:
                    connection.ask(200, "GET", "/")
                return
            except ConnectionRefusedError:
                time.sleep(0.002)
        raise BenchError(f"{self.side.title} was not ready within {READY_TIMEOUT:.0f} s:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-15:])

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._kill()
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._kill()
            raise BenchError(
                f"{self.side.title} did not stop within {STOP_TIMEOUT:.0f} s:\n{self.log_tail()}"
            ) from None
        except BaseException:
            self._kill()
            raise
        if status not in {0, -signal.SIGTERM}:
            raise BenchError(f"{self.side.title} ended with status {status}:\n{self.log_tail()}")
        self._log.unlink()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
