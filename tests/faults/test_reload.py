"""SIGHUP: certificate and rules are read again; what is wrong with them leaves all as it was."""

import shutil
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.certificate import Certificate
from tests.protocol.conftest import address_of
from tests.protocol.connection import Connection
from tests.servers import OrlopServer

PATIENCE = 10.0


def tell(server: OrlopServer) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)


def until(said: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(server: OrlopServer, trusting: Certificate) -> int:
    """Of `/v2/`, for a client that trusts that certificate only. SSLError: the server shows another."""
    context = ssl.create_default_context(cafile=str(trusting.cert))
    with Connection(address_of(server), context) as connection:
        connection.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.read().status


def trusts(server: OrlopServer, certificate: Certificate) -> bool:
    try:
        return status(server, certificate) == 200
    except ssl.SSLError:
        return False


def test_a_new_certificate_is_served_and_a_broken_one_is_not(memory: Path) -> None:
    made = []
    for name in ("old", "new"):
        (memory / name).mkdir()
        made.append(Certificate.make(memory / name))
    old, new = made
    live = Certificate(memory / "cert.pem", memory / "key.pem")
    shutil.copy(old.cert, live.cert)
    shutil.copy(old.key, live.key)
    settings = {"TLS_CERT": str(live.cert), "TLS_KEY": str(live.key)}
    with OrlopServer(memory / "data", LOG_LEVEL="info", **settings) as server:
        assert trusts(server, old)
        shutil.copy(new.cert, live.cert)  # the key is still the old one's
        tell(server)
        until(lambda: "stays as it was" in server.log)
        assert trusts(server, old)
        shutil.copy(new.key, live.key)
        tell(server)
        until(lambda: trusts(server, new))
        assert not trusts(server, old)
        live.cert.unlink()
        tell(server)
        until(lambda: server.log.count("stays as it was") == 2)
        assert trusts(server, new)
        assert "Traceback" not in server.log


def test_a_running_transfer_goes_on(memory: Path) -> None:
    with OrlopServer(memory / "data", LOG_LEVEL="info") as server, Connection(address_of(server)) as connection:
        connection.send(b"GET /v2/ HTTP/1.1\r\nHost:")
        tell(server)
        until(lambda: "read the configuration again" in server.log)
        connection.send(b" x\r\n\r\n")
        assert connection.read().status == 200
