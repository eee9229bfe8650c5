"""The cache of content: the bytes that were used last, and never more than it may hold."""

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from orlop.registry.cache import ContentCache


def test_what_was_put_comes_back() -> None:
    cache = ContentCache(capacity=100, largest=50)
    cache.put("a", b"content")
    assert cache.get("a") == b"content"
    assert cache.get("b") is None


def test_too_large_an_entry_is_not_kept_and_drives_nothing_out() -> None:
    cache = ContentCache(capacity=100, largest=50)
    cache.put("a", b"x" * 50)
    cache.put("b", b"x" * 51)
    assert (cache.get("a"), cache.get("b")) == (b"x" * 50, None)


def test_an_entry_that_is_put_again_counts_once() -> None:
    cache = ContentCache(capacity=100, largest=50)
    for _ in range(10):
        cache.put("a", b"x" * 50)
    cache.put("b", b"x" * 50)
    assert cache.get("a") is not None
    assert cache.get("b") is not None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 40))), max_size=60))
def test_it_keeps_what_was_used_last_within_its_capacity(steps: list[tuple[str, int | None]]) -> None:
    cache, model = ContentCache(capacity=100, largest=30), OrderedDict[str, bytes]()
    for key, size in steps:
        if size is None:
            assert cache.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
        else:
            content = bytes(size)
            cache.put(key, content)
            if size <= 30:
                model.pop(key, None)
                model[key] = content
                while sum(map(len, model.values())) > 100:
                    model.popitem(last=False)
    assert {key: cache.get(key) for key in "abcdef"} == {key: model.get(key) for key in "abcdef"}
