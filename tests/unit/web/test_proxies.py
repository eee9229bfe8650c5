"""What a request says of its way is believed from the proxies that the configuration names, and from nobody else."""

import types
from typing import Any, cast

import pytest
from aiohttp.web import BaseRequest
from multidict import CIMultiDict

from orlop.web.proxies import MOST_HOPS, Proxies

PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "10.0.0.2", "192.0.2.7"
PROXIES = Proxies(("10.0.0.0/24", "fd00::/8"))


def request(remote: str | None, *headers: tuple[str, str], tls: bool = False) -> BaseRequest:
    transport = types.SimpleNamespace(get_extra_info=lambda name: object() if tls and name == "sslcontext" else None)
    made: Any = types.SimpleNamespace(remote=remote, headers=CIMultiDict(headers), transport=transport)
    return cast(BaseRequest, made)


def forwarded(*values: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", value) for value in values]


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ((), PROXY),
        (("",), PROXY),
        ((CLIENT,), CLIENT),
        ((f"  {CLIENT}  ",), CLIENT),
        # What a client sends comes first, what the proxy saw comes last.
        ((f"203.0.113.1, {CLIENT}",), CLIENT),
        (("203.0.113.1", CLIENT), CLIENT),
        ((f"203.0.113.1,{CLIENT}, {OTHER_PROXY}",), CLIENT),
        ((f"{CLIENT}, 10.0.1.1",), "10.0.1.1"),  # beside the network
        ((f"{OTHER_PROXY}, 10.0.0.3",), OTHER_PROXY),  # a client among the proxies
        # What is no address ends the way back.
        (("unknown",), PROXY),
        ((f"{CLIENT}, unknown, {OTHER_PROXY}",), OTHER_PROXY),
        ((f"{CLIENT},",), PROXY),
        (("x" * 10_000,), PROXY),
        (("1.2.3.4.5",), PROXY),
        (("2001:DB8:0::1",), "2001:db8::1"),
        (("[2001:db8::1]:443",), "2001:db8::1"),
        (("[2001:db8::1",), "2001:db8::1"),
        (("fe80::1%anything\tat all",), "fe80::1"),
        ((f"{CLIENT}, fd12::1",), CLIENT),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(values: tuple[str, ...], address: str) -> None:
    assert PROXIES.address(request(PROXY, *forwarded(*values))) == address


@pytest.mark.parametrize("remote", ["192.0.2.1", "10.0.1.1", "", None, "fe80::1", "no address"])
def test_nobody_else_is_believed(remote: str | None) -> None:
    told = [*forwarded(CLIENT), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example.com")]
    asked = request(remote, *told, ("Host", "registry:5000"))
    for proxies in (PROXIES, Proxies(())):
        assert proxies.address(asked) == (remote or "")
        assert proxies.scheme(asked) == "http"
        assert proxies.host(asked) == "registry:5000"


def test_nothing_is_believed_where_no_proxy_is_named() -> None:
    asked = request(PROXY, *forwarded(CLIENT), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example.com"))
    assert Proxies(()).address(asked) == PROXY
    assert Proxies(()).scheme(asked) == "http"
    assert Proxies(()).host(asked) == ""


@pytest.mark.parametrize("remote", [PROXY, f"::ffff:{PROXY}", "fd00::1"])
def test_a_proxy_is_known_however_it_comes(remote: str) -> None:
    assert PROXIES.address(request(remote, *forwarded(CLIENT))) == CLIENT


def test_a_long_way_back_is_not_walked() -> None:
    way = ", ".join([CLIENT, *[OTHER_PROXY] * MOST_HOPS])
    assert PROXIES.address(request(PROXY, *forwarded(way))) == OTHER_PROXY
    assert PROXIES.address(request(PROXY, *forwarded(way.removesuffix(f", {OTHER_PROXY}")))) == CLIENT


@pytest.mark.parametrize(
    ("told", "tls", "scheme"),
    [
        ("https", False, "https"),
        ("HTTPS ", False, "https"),
        ("http", True, "http"),
        ("", True, "https"),
        ("ftp", True, "https"),
        ("https, http", False, "http"),
        ('https" onload="', False, "http"),
    ],
)
def test_the_scheme(told: str, tls: bool, scheme: str) -> None:
    assert PROXIES.scheme(request(PROXY, ("X-Forwarded-Proto", told), tls=tls)) == scheme
    assert PROXIES.scheme(request(CLIENT, ("X-Forwarded-Proto", told), tls=tls)) == ("https" if tls else "http")


def test_a_connection_that_is_gone_has_a_scheme() -> None:
    made: Any = types.SimpleNamespace(remote=None, headers=CIMultiDict(), transport=None)
    assert PROXIES.scheme(made) == "http"
    assert PROXIES.address(made) == ""


@pytest.mark.parametrize(
    "host", ["registry.example.com", "registry.example.com:8443", "a", "[::1]:5000", "127.0.0.1:1"]
)
def test_the_host_is_what_the_proxy_says(host: str) -> None:
    assert PROXIES.host(request(PROXY, ("X-Forwarded-Host", host), ("Host", "inside"))) == host
    assert PROXIES.host(request(CLIENT, ("X-Forwarded-Host", "elsewhere"), ("Host", host))) == host


@pytest.mark.parametrize(
    "host", ["", 'a"b', "a b", "a/b", "user@a", "a:", "a:123456", "-a", "ä", "a,b", "[::1", "a" * 300]
)
def test_a_host_that_is_none_is_not_repeated(host: str) -> None:
    assert PROXIES.host(request(CLIENT, ("Host", host))) == ""
    assert PROXIES.host(request(PROXY, ("X-Forwarded-Host", host), ("Host", "inside"))) == ("" if host else "inside")
