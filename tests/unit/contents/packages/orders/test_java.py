from tests.unit.contents.packages.orders.chains import check


def test_words_stand_before_and_after_the_release() -> None:
    check(
        "java",
        ("1.0-alpha-1", "1.0-a1", "1-ALPHA1", "1.0.0-alpha1"),
        "1.0-alpha-2",
        "1.0-alpha-10",
        ("1.0-beta-1", "1.0-b1"),
        ("1.0-milestone-1", "1.0-m1"),
        ("1.0-rc1", "1.0-cr1"),
        "1.0-SNAPSHOT",
        ("1.0", "1", "1.0.0", "1.0-ga", "1.0.Final", "1.0-release"),
        "1.0-sp",
        ("1.0-jre", "1.0.jre"),
        "1.0-xyz",
        "1.0-1",
        "1.0-2",
        "1.0.1-alpha",
        "1.0.1",
        "1.0.2",
        "1.0.10",
        "1.1",
        "20040616",
    )


def test_versions_that_libraries_have() -> None:
    check("java", "31.1-android", "31.1-jre", "32.0.0-android", "32.0.0-jre")
    check("java", "2.0-beta9", "2.0-rc1", "2.0", "2.3.1", "2.12.1", "2.14.1", "2.15.0", "2.17.0", "2.17.1")
    check("java", "5.3.0.Alpha1", "5.3.0.Beta2", "5.3.0.CR1", "5.3.0.Final", "5.3.1.Final")
