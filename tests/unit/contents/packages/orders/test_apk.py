from tests.unit.contents.packages.orders.chains import check


def test_suffixes_stand_before_and_after_the_release() -> None:
    check(
        "apk",
        "1.0_alpha_pre2",
        "1.0_alpha",
        "1.0_alpha-r1",
        "1.0_alpha2",
        "1.0_alpha10",
        "1.0_beta",
        "1.0_pre20060810",
        "1.0_rc1",
        "1.0",
        ("1.0-r0", "1.0-r00"),
        "1.0-r1",
        "1.0-r10",
        "1.0_cvs1",
        "1.0_svn1",
        "1.0_git20230717-r4",
        "1.0_hg1",
        "1.0_p9-r1",
        "1.0_p10",
        "1.0a",
        "1.0b-r2",
        "1.0.0",
        "1.0.1",
        "1.1_alpha1",
        "1.1",
        "1.1~0a1b2c",
        "1.10",
        "10",
    )


def test_a_number_behind_a_point_with_a_zero_in_front_is_a_fraction() -> None:
    check("apk", "1.0", "1.00", "1.002", "1.02", "1.1", "1.2", "1.15")
    check("apk", "1.06-r6", ("006", "6"), "013", "103")


def test_what_is_no_version_has_a_place_too() -> None:
    check("apk", "4_beta", "4", "23_foo")
    check("apk", "1.0", "1.0b", "1.0bc")
