"""Addresses to listen on."""

import pytest

from orlop.config import Address


@pytest.mark.parametrize(
    ("written", "host", "port", "loopback"),
    [
        ("127.0.0.1:5000", "127.0.0.1", 5000, True),
        ("127.9.9.9:0", "127.9.9.9", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("[::1]:5000", "::1", 5000, True),
        ("0.0.0.0:5000", "0.0.0.0", 5000, False),
        ("[::]:5000", "::", 5000, False),
        ("192.168.1.7:65535", "192.168.1.7", 65535, False),
        ("registry.example.com:443", "registry.example.com", 443, False),
        # Whatever resolves it may answer with another machine's address.
        ("localhost.example.com:443", "localhost.example.com", 443, False),
    ],
)
def test_an_address_is_a_host_and_a_port(written: str, host: str, port: int, loopback: bool) -> None:
    address = Address.parse(written)
    assert (address.host, address.port, address.is_loopback) == (host, port, loopback)
    assert str(address) == written


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("5000", "write HOST:PORT"),
        ("", "write HOST:PORT"),
        ("localhost", "write HOST:PORT"),
        (":5000", "127.0.0.1:5000 for this machine alone"),
        ("::1:5000", "needs brackets"),
        ("::", "needs brackets"),
        ("127.0.0.1:70000", "from 0 to 65535"),
        ("127.0.0.1:-1", "from 0 to 65535"),
        ("127.0.0.1:+80", "from 0 to 65535"),
        ("127.0.0.1:٥", "from 0 to 65535"),
        ("127.0.0.1:5_0", "from 0 to 65535"),
        ("127.0.0.1:", "from 0 to 65535"),
        ("127.0.0.1:80\n", "from 0 to 65535"),
        ("127.0.0.256:80", "256"),
        ("[::g]:80", "::g"),
        ("http://localhost:80", "needs brackets"),
        ("a b:80", "write HOST:PORT"),
        ("-a:80", "write HOST:PORT"),
        ("ünder:80", "write HOST:PORT"),
    ],
)
def test_what_could_mean_two_things_is_refused_with_what_to_write(written: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy.replace("[", r"\[")):
        Address.parse(written)
