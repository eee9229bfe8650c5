import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orlop.contents.packages.orders import compare
from tests.unit.contents.packages.orders.chains import check_laws

ECOSYSTEMS = ("dpkg", "apk", "rpm", "python", "npm", "golang", "java")
PARTS = (
    "0",
    "1",
    "2",
    "10",
    "007",
    ".",
    ".",
    "-",
    "~",
    "^",
    "_",
    "+",
    ":",
    "a",
    "b",
    "rc",
    "alpha",
    "p",
    "r1",
    "x",
    "v",
)
LIKE_VERSIONS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=7).map("".join)


@pytest.mark.parametrize("ecosystem", [ecosystem for ecosystem in ECOSYSTEMS if ecosystem != "java"])
@settings(max_examples=100)
@given(versions=st.lists(LIKE_VERSIONS | st.text(min_size=1, max_size=8), min_size=2, max_size=8))
def test_any_texts_are_in_a_total_order(ecosystem: str, versions: list[str]) -> None:
    check_laws(ecosystem, versions)


NUMBERS = st.lists(st.sampled_from(["0", "1", "2", "10", "007"]), min_size=1, max_size=4).map(".".join)
WORDS = st.sampled_from(["", "", "-alpha", "-beta-2", "-rc1", "-SNAPSHOT", "-jre", "-1", "-2-x"])


@settings(max_examples=100)
@given(versions=st.lists(st.builds(str.__add__, NUMBERS, WORDS), min_size=2, max_size=8))
def test_versions_of_java_are_in_a_total_order(versions: list[str]) -> None:
    check_laws("java", versions)


@settings(max_examples=100)
@given(first=LIKE_VERSIONS | st.text(max_size=8), second=LIKE_VERSIONS)
def test_any_two_texts_of_java_are_in_order(first: str, second: str) -> None:
    assert compare("java", first, second) == -compare("java", second, first)
    assert compare("java", first, first) == 0


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_long_versions_are_compared_too(ecosystem: str) -> None:
    for version in ("9" * 300, "1." * 150, "1-" * 150, "1a" * 150, "a" * 300, "~" * 300, "1.0-" + "a." * 148):
        assert compare(ecosystem, version, version) == 0
        assert compare(ecosystem, version, version[:-1]) == -compare(ecosystem, version[:-1], version)
