"""What proxies in front say of a request: only those count that the configuration names.

Anybody can send `X-Forwarded-For`; believed, it would get past every limit by address and into the audit log.
"""

import functools
import ipaddress
import re

from aiohttp.web import BaseRequest

HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""What may be a Host header: it is the client's word, and ends up in addresses that others read."""
MOST_HOPS = 20


class Proxies:
    def __init__(self, networks: tuple[str, ...]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._trusts = functools.lru_cache(1024)(self._find)

    def address(self, request: BaseRequest) -> str:
        """The client's address: the peer's, or the last one in `X-Forwarded-For` that is no trusted proxy's."""
        remote = request.remote or ""
        if not self._networks or not self._trusts(remote):
            return remote
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")[-MOST_HOPS:]
        for hop in reversed(hops):
            found = _address(hop.strip())
            if found is None:
                break
            remote = found
            if not self._trusts(remote):
                break
        return remote

    def scheme(self, request: BaseRequest) -> str:
        """`https` or `http`, as the client used it."""
        told = request.headers.get("X-Forwarded-Proto", "").strip().lower()
        if told in ("http", "https") and self._trusts(request.remote or ""):
            return told
        transport = request.transport
        return "https" if transport is not None and transport.get_extra_info("sslcontext") else "http"

    def host(self, request: BaseRequest) -> str:
        """`HOST[:PORT]` as the client used it, empty where it is none."""
        told = request.headers.get("X-Forwarded-Host", "").strip() if self._trusts(request.remote or "") else ""
        host = told or request.headers.get("Host", "")
        return host if HOST.fullmatch(host) else ""

    def _find(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(mapped in network for network in self._networks)


def _address(text: str) -> str | None:
    if text.count(":") == 1:
        text = text.partition(":")[0]  # some proxies write the port, too
    try:
        # Without the zone of an IPv6 address: it means something on the proxy alone, and may be any text.
        return str(ipaddress.ip_address(text.removeprefix("[").partition("]")[0].partition("%")[0]))
    except ValueError:
        return None
