"""A wire between a client and the registry that counts what passes, and can be cut once."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

PIECE = 1 << 16


@dataclass
class Relay:
    """Passes bytes on, both ways, and knows what went over the wire."""

    server: tuple[str, int]
    listener: socket.socket
    sent: int = 0
    """Bytes from clients to the registry, heads of requests among them."""
    heads: list[bytes] = field(default_factory=list)
    """The beginning of what a client sent each time that it was its turn: the head of a request, at least."""
    cuts: int = 0
    _cut_after: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: set[socket.socket] = field(default_factory=set)

    @property
    def host_port(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def cut_after(self, amount: int) -> None:
        """Cut the first connection over which the registry has sent `amount` bytes from now on."""
        self._cut_after = amount

    def resumed_at(self) -> list[int]:
        """Where clients asked the registry to go on: the first byte of each Range header, if not the very first."""
        found = [re.search(rb"(?im)^range: *bytes=([1-9]\d*)-", head) for head in self.heads]
        return [int(match[1]) for match in found if match]

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            self._open |= {client, server}
            turn = _Turn()
            for pump in (self._pump_up, self._pump_down):
                threading.Thread(target=pump, args=(client, server, turn), daemon=True).start()

    def _pump_up(self, client: socket.socket, server: socket.socket, turn: "_Turn") -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(PIECE):
                with self._lock:
                    self.sent += len(piece)
                    if turn.of_client:
                        self.heads.append(piece)
                turn.of_client = False
                server.sendall(piece)
        _end(client, server)

    def _pump_down(self, client: socket.socket, server: socket.socket, turn: "_Turn") -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while piece := server.recv(PIECE):
                turn.of_client = True
                client.sendall(piece)
                passed += len(piece)
                if self._is_to_be_cut(passed):
                    break
        _end(client, server)

    def _is_to_be_cut(self, passed: int) -> bool:
        with self._lock:
            cut = self._cut_after is not None and passed >= self._cut_after
            if cut:
                self._cut_after = None
                self.cuts += 1
            return cut


@dataclass
class _Turn:
    of_client: bool = True


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def open_relay(host_port: str) -> Iterator[Relay]:
    """A relay to that registry, on a free port."""
    host, port = host_port.rsplit(":", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay((host, int(port)), listener)
        thread = threading.Thread(target=relay._serve, daemon=True)
        thread.start()
        yield relay
        # A listener that is only closed leaves its accept waiting.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        _end(*relay._open)
