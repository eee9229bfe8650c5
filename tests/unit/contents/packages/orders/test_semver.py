import pytest

from tests.unit.contents.packages.orders.chains import check


@pytest.mark.parametrize("ecosystem", ["npm", "golang"])
def test_the_example_of_the_specification(ecosystem: str) -> None:
    check(
        ecosystem, "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
        "1.0.0-rc.1", ("1.0.0", "1.0.0+build.5", "1.0", "1", "v1.0.0"), "1.9.0", "1.10.0", "2.0.0", "2.1.0", "2.1.1",
    )  # fmt: skip


def test_modules_of_go_have_a_letter_in_front() -> None:
    check(
        "golang", "(devel)", "v0.0.0-20190101000000-abcdefabcdef", "v0.0.0-20200101000000-000000000000", "v0.17.0",
        ("v2.0.0+incompatible", "2.0.0"), "v2.0.1-0.20200101000000-abcdefabcdef", "v2.0.1",
    )  # fmt: skip


def test_go_itself_has_an_order_too() -> None:
    check("golang", ("1.21beta1", "go1.21beta1"), "1.21rc1", "1.21rc2", ("1.21", "1.21.0"), "1.21.13", "1.22.1")


def test_what_is_no_version_is_older_than_all_that_are() -> None:
    check("npm", "latest", "x1", "x10", "0.0.0-0", "0.0.0")
