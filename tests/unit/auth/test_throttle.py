"""A bucket for each address or account, which fills again."""

import pytest

from orlop.auth import throttle
from orlop.auth.throttle import Throttle, origin
from orlop.domain.errors import TooManyRequests


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_more_with_time() -> None:
    clock = Clock()
    bucket = Throttle(0.5, 3, "too many", clock)
    for _ in range(3):
        bucket.check("a")
        bucket.take("a")
    with pytest.raises(TooManyRequests, match="too many") as refused:
        bucket.check("a")
    assert refused.value.seconds == 2
    bucket.check("b")
    clock.now += 2
    bucket.check("a")
    bucket.take("a")
    assert not bucket.has_room("a")
    clock.now += 1000
    assert bucket.has_room("a")


def test_taking_more_than_there_is_makes_no_debt() -> None:
    clock = Clock()
    bucket = Throttle(1, 2, "too many", clock)
    for _ in range(100):
        bucket.take("a")
    clock.now += 1
    bucket.check("a")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST", 10)
    clock = Clock()
    bucket = Throttle(1, 1, "too many", clock)
    for number in range(100):
        bucket.take(number)
        assert len(bucket._spent) <= 10
        clock.now += 0.3
    assert not bucket.has_room(99)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_everyone_with_ipv6_has_a_whole_network(address: str, counted: str) -> None:
    assert origin(address) == counted
