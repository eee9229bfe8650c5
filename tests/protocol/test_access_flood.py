"""Guessing at passwords: there is an end to it, and it keeps nobody else waiting."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Self

import pytest

from tests.protocol.accounts import House, basic, bearer, house, issued, password_of, scope_of
from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.conftest import address_of

KNOWN, UNKNOWN, GUESSING = "192.0.2.1", "198.51.100.1", "198.51.100.2"
"""Addresses of clients."""
SECONDS = 1.0


@pytest.fixture(scope="module")
def registry() -> Iterator[House]:
    with house(TRUSTED_PROXIES="127.0.0.1") as opened:
        opened.repository("alice/app").push_image("v1")
        yield opened


def sign_in(client: Client, name: str, password: str, address: str) -> Answer:
    """By the token service's form, which has the password looked at each time."""
    form = f"grant_type=password&username={name}&password={password}".replace(" ", "+").encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address}
    return client.request("POST", "/token", headers, form)


class Flood:
    """Clients that guess, for as long as the block lasts."""

    def __init__(self, registry: House, clients: int) -> None:
        self.answers: Counter[int] = Counter()
        self.waits: list[int] = []
        self._registry = registry
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._guess, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _guess(self, number: int) -> None:
        with Client(address_of(self._registry.server)) as client:
            while not self._stop.is_set():
                name = "alice" if number % 2 else f"nobody-{number}"
                header = basic(name, f"guess {number} {time.monotonic_ns()}")
                answer = client.get("/v2/", {"Authorization": header})
                self.answers[answer.status] += 1
                if answer.status == 429:
                    self.waits.append(int(answer.header("Retry-After")))
                    self._stop.wait(0.1)


@pytest.mark.parametrize(("failures", "clients"), [("20", 12), ("1000000", 70)])
def test_others_do_not_notice_that_someone_guesses(failures: str, clients: int) -> None:
    """S41. With and without the limit, under which each guess costs a processor's time: only so many are looked at."""
    with house(LIMITS_FAILED_SIGN_INS=failures) as registry:
        registry.repository("alice/app").push_image("v1")
        token = issued(registry.by_password("alice"), scope_of("alice/app"))
        reader = registry.client(bearer(token))
        assert reader.get("/v2/alice/app/manifests/v1").status == 200
        times = []
        with Flood(registry, clients) as flood:
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                started = time.perf_counter()
                assert reader.get("/v2/alice/app/manifests/v1").status == 200
                times.append(time.perf_counter() - started)
                time.sleep(0.002)
        assert len(times) > 30
        assert statistics.quantiles(times, n=100)[98] < 0.25, sorted(times)[-10:]
        assert set(flood.answers) == {401, 429}
        assert min(flood.waits) >= 1
        if failures == "20":
            assert flood.answers[401] <= 30
        assert registry.by_password("bob").get("/livez").status == 200


def test_who_was_here_before_still_gets_in(registry: House) -> None:
    """S41. Guesses at an account from everywhere else do not lock its owner out; the right guess gets nobody in."""
    client = registry.client()
    assert sign_in(client, "alice", password_of("alice"), KNOWN).status == 200
    statuses = [sign_in(client, "alice", "wrong", f"203.0.113.{number}").status for number in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert sign_in(client, "alice", password_of("alice"), KNOWN).status == 200
    assert sign_in(client, "alice", password_of("alice"), UNKNOWN).status == 429
    assert sign_in(client, "bob", password_of("bob"), UNKNOWN).status == 200


def test_an_address_that_guessed_too_often_must_wait(registry: House) -> None:
    """S41. At whichever accounts; a network of IPv6 is one, and others are not concerned."""
    client = registry.client()
    statuses = [sign_in(client, f"x{number}", "wrong", GUESSING).status for number in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    answer = sign_in(client, "bob", password_of("bob"), GUESSING)
    assert answer.status == 429
    assert 1 <= int(answer.header("Retry-After")) <= 60
    assert sign_in(client, "bob", password_of("bob"), KNOWN).status == 200
    statuses = [sign_in(client, f"y{number}", "wrong", f"2001:db8::{number:x}").status for number in range(1, 23)]
    assert statuses == [401] * 20 + [429] * 2
    assert sign_in(client, "carol", password_of("carol"), "2001:db8:0:1::1").status == 200


def test_tokens_whose_time_is_over_are_no_guesses() -> None:
    """S41. Every token ends so: many clients behind one address must not lock each other out by it."""
    with house(ACCESS_TOKEN_LIFETIME="1s") as registry:
        tokens = [issued(registry.by_password("alice"), scope_of("alice/app")) for _ in range(25)]
        time.sleep(1.1)
        for token in tokens:
            assert registry.client(bearer(token)).get("/v2/alice/app/tags/list").status == 401
        assert registry.by_password("bob").get("/v2/").status == 200


def test_requests_are_limited_where_that_is_configured() -> None:
    """S41. By address, with a burst; `check` demands that a 429 says when to come again."""
    with house(LIMITS_REQUESTS="2", TRUSTED_PROXIES="127.0.0.1") as registry:
        client = registry.client(basic("alice"))
        headers = {"X-Forwarded-For": UNKNOWN}
        statuses = [client.get("/v2/alice/app/tags/list", headers).status for _ in range(30)]
        assert statuses[:20] == [404] * 20
        assert 429 in statuses
        for path in ("/api/v1/me", "/token", "/v2/"):
            assert client.get(path, headers).status == 429
        assert client.get("/v2/", {"X-Forwarded-For": KNOWN}).status == 200
