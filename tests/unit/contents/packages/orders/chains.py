"""Versions in order, as tests write them, and the laws that every order keeps."""

from itertools import combinations

from orlop.contents.packages.orders import compare, key


def check(ecosystem: str, *ascending: str | tuple[str, ...]) -> None:
    """Each version is older than all behind it; those in one tuple are the same."""
    groups = [(group,) if isinstance(group, str) else group for group in ascending]
    for group in groups:
        for first, second in combinations(group, 2):
            assert compare(ecosystem, first, second) == 0, f"{first} = {second}"
    for older, newer in combinations(groups, 2):
        for first in older:
            for second in newer:
                assert compare(ecosystem, first, second) < 0, f"{first} < {second}"
                assert compare(ecosystem, second, first) > 0, f"{second} > {first}"


def check_laws(ecosystem: str, versions: list[str]) -> None:
    """What `sorted` gives is in order, whichever two of it are compared: so the order is total."""
    for version in versions:
        assert compare(ecosystem, version, version) == 0
    in_order = sorted(versions, key=key(ecosystem))
    for first, second in combinations(in_order, 2):
        assert compare(ecosystem, first, second) <= 0, f"{first} <= {second} of {in_order}"
        assert compare(ecosystem, second, first) >= 0, f"{second} >= {first} of {in_order}"
