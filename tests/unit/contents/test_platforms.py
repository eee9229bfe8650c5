"""Which image of an index is meant."""

import pytest

from orlop.contents import platforms
from orlop.contents.platforms import Choice, choose
from orlop.domain.digest import Digest
from orlop.domain.errors import ParameterInvalid


def choices(*names: str) -> list[Choice]:
    return [Choice(name, Digest.of(name.encode())) for name in names]


@pytest.mark.parametrize(
    ("there", "wanted", "chosen"),
    [
        (["linux/arm64", "linux/amd64"], "", "linux/amd64"),
        (["linux/arm64/v8", "linux/s390x"], "", "linux/arm64/v8"),
        (["unknown/unknown", "linux/arm64"], "", "linux/arm64"),
        (["unknown/unknown"], "", None),
        (["", "linux/arm64"], "", ""),
        (["linux/arm64/v8"], "linux/arm64", "linux/arm64/v8"),
        (["linux/arm64"], "linux/arm64/v8", "linux/arm64"),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7", "linux/arm/v7"),
        (["linux/arm/v6"], "linux/arm/v7", None),
        (["linux/amd64"], "windows/amd64", None),
        ([], "", None),
    ],
)
def test_the_one_that_fits_is_chosen(there: list[str], wanted: str, chosen: str | None) -> None:
    found = choose(choices(*there), wanted)
    assert (found.platform if found else None) == chosen


def test_machines_may_be_called_as_uname_calls_them() -> None:
    assert platforms.parse("linux/x86_64") == "linux/amd64"
    assert platforms.parse("linux/aarch64") == "linux/arm64"


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "Linux/amd64", "linux/amd64/v1/x", "a" * 99 + "/b"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ParameterInvalid, match="os/architecture"):
        platforms.parse(text)


@pytest.mark.parametrize(
    "platform", [{}, {"os": "linux"}, {"os": 1, "architecture": "a"}, {"os": "", "architecture": "a"}]
)
def test_what_does_not_say_enough_has_no_name(platform: dict[str, object]) -> None:
    assert platforms.name_of(platform) == ""
