from orlop.contents.packages.orders import compare
from tests.unit.contents.packages.orders.chains import check


def test_versions_are_numbers_and_words() -> None:
    check("rpm", "1.0a", "1.0b", ("1.0.1", "1.0_1", "1.0..1", "1.00.01"), "1.0.2", "1.9", "1.10", "2.0")
    check("rpm", "xyz", "xyz10", "xyz10.1", "10xyz", "10.1xyz")
    check("rpm", "1.0", "1.0a", "1.0.1")
    check("rpm", "fc.4", "FC5".lower(), "4")
    check("rpm", ("2a", "2.a"), ("2.0", "2_0"))


def test_a_tilde_is_before_and_a_caret_right_behind() -> None:
    check(
        "rpm",
        "1.0~rc1~git1",
        "1.0~rc1",
        "1.0~rc1^2",
        "1.0~rc2",
        "1.0",
        "1.0^",
        "1.0^20210501~rc1",
        "1.0^20210501",
        "1.0^20210502",
        "1.0.1",
        "1.01",
        "1.01^1",
    )


def test_the_epoch_counts_first_and_the_release_last() -> None:
    check("rpm", ("1.0-1.el8", "0:1.0-1.el8"), "1.0-1.el9", "1.0-2.el8", "1.1-0", "1:0.1-1")


def test_a_version_alone_is_all_its_releases() -> None:
    assert compare("rpm", "3.0.7-24.el9", "3.0.7") == compare("rpm", "3.0.7", "3.0.7-24.el9") == 0
    assert compare("rpm", "3.0.7-24.el9", "3.0.8") < 0 < compare("rpm", "1:3.0.7-24.el9", "3.0.8")
