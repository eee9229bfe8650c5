from orlop.contents.packages import Package
from orlop.contents.packages.changes import Change, compare


def package(name: str, version: str, ecosystem: str = "dpkg", architecture: str = "amd64", path: str = "") -> Package:
    return Package(ecosystem=ecosystem, name=name, version=version, architecture=architecture, path=path)


def test_what_is_the_same_is_not_told() -> None:
    changes = compare([package("a", "1")], [package("a", "1", path="/elsewhere")])
    assert (changes.added, changes.removed, changes.upgraded, changes.downgraded) == ([], [], [], [])


def test_packages_come_go_rise_and_fall() -> None:
    changes = compare(
        [package("curl", "7.88-1"), package("wget", "1.2"), package("vim", "2:9.0")],
        [package("curl", "7.88-10"), package("nano", "7"), package("vim", "10.0")],
    )
    assert changes.added == [package("nano", "7")]
    assert changes.removed == [package("wget", "1.2")]
    assert changes.upgraded == [Change(package("curl", "7.88-1"), package("curl", "7.88-10"))]
    assert changes.downgraded == [Change(package("vim", "2:9.0"), package("vim", "10.0"))]


def test_ecosystems_and_architectures_are_apart() -> None:
    changes = compare(
        [package("a", "1"), package("b", "1")], [package("a", "2", "apk"), package("b", "2", "dpkg", "i386")]
    )
    assert len(changes.added) == len(changes.removed) == 2
    assert changes.upgraded == []


def test_another_way_to_write_a_name_is_no_change() -> None:
    changes = compare([package("ruamel.yaml", "1", "python")], [package("Ruamel_YAML", "2", "python")])
    assert [(change.before.version, change.after.version) for change in changes.upgraded] == [("1", "2")]
    assert (changes.added, changes.removed) == ([], [])


def test_of_several_versions_the_newest_that_differ_are_paired() -> None:
    def npm(*versions: str) -> list[Package]:
        return [package("semver", version, "npm", "") for version in versions]

    changes = compare(npm("5.7.1", "6.3.0", "7.5.2", "7.5.2"), npm("5.7.1", "7.5.4", "6.3.1", "7.6.0"))
    assert [(change.before.version, change.after.version) for change in changes.upgraded] == [
        ("7.5.2", "7.6.0"),
        ("6.3.0", "7.5.4"),
    ]
    assert [one.version for one in changes.added] == ["6.3.1"]
    assert changes.removed == changes.downgraded == []


def test_the_lists_are_in_order() -> None:
    changes = compare([], [package("b", "1"), package("a", "1"), package("z", "1", "apk")])
    assert [one.name for one in changes.added] == ["z", "a", "b"]
