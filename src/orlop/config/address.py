"""Addresses to listen on: `HOST:PORT`, and which of them only this machine can reach."""

import ipaddress
import re

import msgspec

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_FORMS = "write HOST:PORT, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000"


class Address(msgspec.Struct, frozen=True):
    """Where to listen. `host` is without brackets; port 0 lets the operating system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT` or `[IPV6]:PORT`. Anything that could mean two things is a ValueError with its remedy."""
        host, colon, port = text.rpartition(":")
        if not colon:
            raise ValueError(f"no port; {_FORMS}")
        if not host:
            raise ValueError(
                f"no host; write 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for every IPv4 address"
            )
        return cls(_read_host(host), _read_port(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it. A name other than localhost may resolve to anything: False."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _read_host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return str(ipaddress.IPv6Address(host[1:-1]))
    if ":" in host:
        raise ValueError(f"an IPv6 address needs brackets; {_FORMS}")
    if re.fullmatch(r"[0-9.]+", host):
        return str(ipaddress.IPv4Address(host))
    if len(host) > 253 or not _HOST_NAME.fullmatch(host):
        raise ValueError(f"the host is not an address and not a name; {_FORMS}")
    return host


def _read_port(port: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("the port must be a number from 0 to 65535 (0: any free one)")
    return int(port)
