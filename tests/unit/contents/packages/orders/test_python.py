from tests.unit.contents.packages.orders.chains import check


def test_versions_as_pep_440_has_them() -> None:
    check(
        "python",
        "1.0.dev1",
        "1.0a1.dev1",
        ("1.0a1", "1.0-alpha.1"),
        "1.0b1",
        ("1.0rc1", "1.0c1"),
        ("1.0", "1", "1.0.0", "v1.0"),
        "1.0+local.1",
        "1.0.post1",
        "1.1",
        "1.10",
        "1!0.1",
    )


def test_what_is_no_version_is_older_than_all_that_are() -> None:
    check("python", "unknown", "unknown2", "unknown10", "0.dev0")
