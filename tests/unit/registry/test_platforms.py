"""Platforms, as configs and indexes tell them; what tells none is no error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.registry import platforms


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"os": "linux", "architecture": "amd64"}, ["linux/amd64"]),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, ["linux/arm/v7"]),
        ({"os": "linux"}, []),
        ({"os": "", "architecture": "amd64"}, []),
        ({"os": 1, "architecture": "amd64"}, []),
        ({}, []),
        ([], []),
    ],
)
def test_a_config_tells_one_platform_or_none(config: Any, expected: list[str]) -> None:
    assert platforms.of_config(json.dumps(config).encode()) == expected


@given(st.one_of(st.binary(), st.just(b"[" * 100_000), st.text().map(str.encode)))
def test_any_bytes_are_a_config_without_a_platform(content: bytes) -> None:
    assert platforms.of_config(content) == []
