"""Large transfers: one process and one buffer for each stream, and no copy that a real client would not make."""

import hashlib
import mmap
import os
import ssl
from pathlib import Path

from tests.bench.connection import Answer, Connection, Target, with_digest
from tests.bench.contents import MIB, Payload
from tests.bench.errors import WrongAnswer
from tests.bench.processes import Start, Task

OCTETS = "application/octet-stream"


def download(target: Target, path: str, size: int, piece: int, rounds: int) -> Task:
    """A task that GETs `size` bytes `rounds` times: whole if `piece` is `size`, else by ranges of `piece` bytes."""

    def run(start: Start) -> int:
        buffer = memoryview(bytearray(MIB))
        with Connection(target) as connection:
            start()
            for _ in range(rounds):
                for first in range(0, size, piece):
                    _fetch(connection, path, None if piece == size else (first, first + piece - 1), size, buffer)
        return size * rounds

    return run


def _fetch(connection: Connection, path: str, span: tuple[int, int] | None, size: int, buffer: memoryview) -> None:
    headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1]}"}
    connection.socket.sendall(connection.target.head("GET", path, headers))
    answer = connection.read_head(200 if span is None else 206, f"GET {path}")
    expected = size if span is None else span[1] - span[0] + 1
    stated = answer.headers.get("content-range", "")
    if answer.length != expected or (span and stated != f"bytes {span[0]}-{span[1]}/{size}"):
        raise WrongAnswer(f"GET {path}: {answer.length} bytes ({stated}) instead of {expected} from {span}")
    missing = expected - len(answer.start)
    while missing:
        received = connection.socket.recv_into(buffer, min(missing, len(buffer)))
        if not received:
            raise WrongAnswer(f"GET {path}: the body ended {missing} bytes short")
        missing -= received


def verify(target: Target, path: str, size: int, digest: str) -> None:
    """GET the whole blob once and hash it. WrongAnswer: it is not what was pushed."""
    state = hashlib.sha256()
    with Connection(target) as connection:
        connection.socket.sendall(target.head("GET", path))
        answer = connection.read_head(200, f"GET {path}")
        state.update(answer.start)
        missing = size - len(answer.start)
        while missing > 0:
            piece = connection.socket.recv(min(missing, MIB))
            if not piece:
                break
            state.update(piece)
            missing -= len(piece)
    if f"sha256:{state.hexdigest()}" != digest:
        raise WrongAnswer(f"GET {path}: the bytes are not those that were pushed")


def upload(target: Target, repository: str, payload: Payload, *, chunked: bool) -> Task:
    """A task that uploads a payload: POST and PUT with its length, or POST, one chunked PATCH and an empty PUT."""

    def run(start: Start) -> int:
        with Connection(target) as connection:
            start()
            begun, _ = connection.ask(202, "POST", f"/v2/{repository}/blobs/uploads/")
            if chunked:
                _patch_and_put(connection, begun, payload)
            else:
                _put(connection, begun, payload)
        return payload.size

    return run


def _put(connection: Connection, begun: Answer, payload: Payload) -> None:
    path = with_digest(begun.location, payload.digest)
    headers = {"Content-Type": OCTETS, "Content-Length": str(payload.size)}
    connection.socket.sendall(connection.target.head("PUT", path, headers))
    _send(connection, payload.source, payload.shared, payload.tail)
    _created(connection.read_head(201, f"PUT {path}"), payload)


def _patch_and_put(connection: Connection, begun: Answer, payload: Payload) -> None:
    headers = {"Content-Type": OCTETS, "Transfer-Encoding": "chunked"}
    connection.socket.sendall(connection.target.head("PATCH", begun.location, headers))
    tail = b"%x\r\n%b\r\n0\r\n\r\n" % (len(payload.tail), payload.tail)
    _send(connection, payload.framed, payload.framed_shared, tail)
    taken = connection.read_head(202, f"PATCH {begun.location}")
    connection.read_rest(taken)
    if taken.headers.get("range", "").removeprefix("bytes=") != f"0-{payload.size - 1}":
        raise WrongAnswer(f"PATCH: {payload.size} bytes were sent and Range is {taken.headers.get('range')}")
    if taken.headers.get("connection", "").lower() == "close":
        connection.close()
        connection.socket = connection.target.connect()
    path = with_digest(taken.location, payload.digest)
    connection.socket.sendall(connection.target.request("PUT", path))
    _created(connection.read_head(201, f"PUT {path}"), payload)


def _created(answer: Answer, payload: Payload) -> None:
    if answer.headers.get("docker-content-digest") != payload.digest:
        raise WrongAnswer(f"an upload of {payload.digest} was taken as {answer.headers.get('docker-content-digest')}")


def _send(connection: Connection, source: Path, length: int, tail: bytes) -> None:
    """Send `length` bytes of `source`, then `tail`; a server that refuses midway is heard."""
    try:
        with source.open("rb") as file:
            if isinstance(connection.socket, ssl.SSLSocket):
                _copy(connection, file.fileno(), length)
            else:
                _sendfile(connection, file.fileno(), length)
        connection.socket.sendall(tail)
    except (BrokenPipeError, ConnectionResetError) as error:
        try:
            connection.read_head(0, "an upload that the server cut short")  # raises, in the server's own words
        except OSError:
            raise WrongAnswer(f"the server cut an upload short: {error}") from error


def _sendfile(connection: Connection, descriptor: int, length: int) -> None:
    offset = 0
    while offset < length:
        offset += os.sendfile(connection.socket.fileno(), descriptor, offset, length - offset)


def _copy(connection: Connection, descriptor: int, length: int) -> None:
    with mmap.mmap(descriptor, length, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
        for offset in range(0, length, MIB):
            with view[offset : offset + MIB] as piece:
                connection.socket.sendall(piece)
