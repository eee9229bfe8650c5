"""Many small requests on a few connections, from one process: for what wrk cannot do (HEAD, uploads in two steps).

A conversation is a generator that yields a request's bytes and is sent the head of its answer; it checks the status.
Each connection holds one conversation, and never more than one request is under way in it.
"""

import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Sequence

from tests.bench.connection import Target
from tests.bench.errors import WrongAnswer
from tests.bench.processes import Start, Task

STALL_SECONDS = 30

Conversation = Generator[bytes, bytes, None]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *(?:https?://[^/\r]+)?(\S+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def expect(head: bytes, status: bytes) -> None:
    """WrongAnswer: the answer has another status."""
    if head[9:12] != status:
        raise WrongAnswer(f"status {head[9:12].decode()} instead of {status.decode()}: {head[:400]!r}")


def location_of(head: bytes) -> str:
    """Path and query of the Location, as `Answer.location` but quicker. WrongAnswer: there is none."""
    match = _LOCATION.search(head)
    if not match:
        raise WrongAnswer(f"an answer has no Location: {head[:400]!r}")
    return match[1].decode("ascii")


class Tally:
    """How many operations the conversations of one load have completed."""

    def __init__(self) -> None:
        self.done = 0


def task(target: Target, talk: Callable[[Tally], Sequence[Conversation]], seconds: float | None) -> Task:
    """A task that holds conversations for `seconds`, or to their end, and returns how many operations it completed."""

    def run(start: Start) -> int:
        tally = Tally()
        with select.epoll() as poller:
            lines = [_Line(target, conversation, poller) for conversation in talk(tally)]
            start()
            _hold(poller, lines, seconds)
        return tally.done

    return run


def _hold(poller: select.epoll, lines: Sequence["_Line"], seconds: float | None) -> None:
    for line in lines:
        line.speak()
    by_descriptor = {line.fileno(): line for line in lines if not line.over}
    end = time.monotonic() + (float("inf") if seconds is None else seconds)
    while by_descriptor and time.monotonic() < end:
        events = poller.poll(STALL_SECONDS)
        if not events:
            raise WrongAnswer(f"no answer came for {STALL_SECONDS} s")
        for descriptor, _ in events:
            line = by_descriptor.pop(descriptor)
            line.listen()
            if not line.over:
                by_descriptor[line.fileno()] = line  # after a reconnection it is another one


class _Line:
    """One connection and its conversation."""

    def __init__(self, target: Target, conversation: Conversation, poller: select.epoll) -> None:
        self.over = False
        self._target = target
        self._conversation = conversation
        self._poller = poller
        self._received = b""
        self._bodiless = False
        self._next: bytes = next(conversation)
        self._connect()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _connect(self) -> None:
        self._socket: socket.socket = self._target.connect()
        self._poller.register(self._socket, select.EPOLLIN)

    def _hang_up(self) -> None:
        self._poller.unregister(self._socket)
        self._socket.close()

    def speak(self) -> None:
        """Send the conversation's next request; it is small, so that a blocking socket takes it at once."""
        self._bodiless = self._next.startswith(b"HEAD")
        self._received = b""
        self._socket.sendall(self._next)

    def listen(self) -> None:
        """Take what has come; when the answer is whole, go on with the conversation."""
        self._receive()
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or not (self._bodiless or len(body) >= _body_length(head)):
            return
        if _CLOSES.search(head):
            self._hang_up()
            self._connect()
        try:
            self._next = self._conversation.send(head if head[9:10] < b"4" else self._received)
        except StopIteration:
            self.over = True
            self._hang_up()
        else:
            self.speak()

    def _receive(self) -> None:
        piece = self._socket.recv(65536)
        while isinstance(self._socket, ssl.SSLSocket) and piece and self._socket.pending():
            self._received += piece
            piece = self._socket.recv(65536)
        if not piece:
            raise WrongAnswer(f"the connection ended amid an answer: {self._received[:200]!r}")
        self._received += piece


def _body_length(head: bytes) -> int:
    match = _LENGTH.search(head)
    if not match:
        raise WrongAnswer(f"an answer states no Content-Length: {head[:400]!r}")
    return int(match[1])
