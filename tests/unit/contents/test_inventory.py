"""Packages of one image, and of all images by a query: those whose file is there at the top."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.contents import scope
from orlop.contents.inventory import known_ecosystem
from orlop.contents.packages.package import Package
from orlop.contents.scope import Search
from orlop.domain.errors import ContentsPending, ParameterInvalid, TagUnknown
from orlop.domain.name import RepositoryName, Tag
from tests.unit.contents.chains_of_layers import file, hardlink, symlink, whiteout
from tests.unit.contents.shelf import ALL, Shelf, reader_of

STATUS = "/var/lib/dpkg/status"
APK = "/lib/apk/db/installed"
APP = RepositoryName.parse("app")


def deb(name: str, version: str, source: str = "", path: str = STATUS) -> Package:
    return Package(ecosystem="dpkg", name=name, version=version, source=source, architecture="amd64", path=path)


def wheel(name: str, version: str, folder: str = "/usr/lib/python3") -> Package:
    return Package(ecosystem="python", name=name, version=version, path=f"{folder}/{name}-{version}.dist-info/METADATA")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.close()


def layer_of(shelf: Shelf, *packages: Package) -> bytes:
    """A layer with the files that tell of these."""
    paths = dict.fromkeys(package.path for package in packages)
    return shelf.layer(*[file(path.encode(), b"x") for path in paths], packages=packages)


def listed(shelf: Shelf, tag: str, **more: object) -> list[str]:
    found = shelf.inventory.of_image(ALL, APP, Tag.parse(tag), **more)  # type: ignore[arg-type]
    return [f"{item.package.name} {item.package.version}" for item in found.items]


def found(shelf: Shelf, text: str, caller: object = ALL, **more: int) -> list[tuple[str, list[str]]]:
    return [
        (f"{hit.package.name} {hit.package.version}", [named.name for named in hit.shown.images])
        for hit in shelf.packages(text, caller, **more)  # type: ignore[arg-type]
    ]


# Of an image


def test_an_image_has_the_packages_of_the_files_at_its_top(shelf: Shelf) -> None:
    base = layer_of(shelf, deb("openssl", "3.0.9"), deb("libssl3", "3.0.9", "openssl"), wheel("six", "1.16"))
    top = layer_of(shelf, deb("openssl", "3.0.11"), deb("curl", "8.0"))
    shelf.push("app", "v1", base)
    shelf.push("app", "v2", base, top)
    assert listed(shelf, "v1") == ["libssl3 3.0.9", "openssl 3.0.9", "six 1.16"]
    assert listed(shelf, "v2") == ["curl 8.0", "openssl 3.0.11", "six 1.16"]
    assert listed(shelf, "v2", ecosystem="pypi") == ["six 1.16"]
    (six,) = shelf.inventory.of_image(ALL, APP, Tag.parse("v2"), ecosystem="python").items
    assert (six.package.path, six.layer) == (wheel("six", "1.16").path, shelf.digest_of(base))


@pytest.mark.parametrize(
    "above",
    [
        [whiteout(STATUS.encode())], [whiteout(b"/var/lib")], [file(b"/var")], [symlink(STATUS.encode(), b"/x")],
        [hardlink(STATUS.encode(), b"/var/lib/dpkg/other"), file(b"/var/lib/dpkg/other")],
    ],
)  # fmt: skip
def test_what_a_deleted_or_replaced_file_told_is_not_there(shelf: Shelf, above: list[object]) -> None:
    shelf.push("app", "v1", layer_of(shelf, deb("openssl", "3")), shelf.layer(*above))  # type: ignore[arg-type]
    assert listed(shelf, "v1") == []
    assert shelf.packages("openssl") == []


def test_packages_come_page_by_page(shelf: Shelf) -> None:
    shelf.push("app", "v1", layer_of(shelf, *[deb(f"p{number:02}", "1") for number in range(25)]))
    names, after = [], 0
    while True:
        page = shelf.inventory.of_image(ALL, APP, Tag.parse("v1"), after=after, most=10)
        assert page.total == 25
        names += [item.package.name for item in page.items]
        if page.following is None:
            break
        after = page.following
    assert names == [f"p{number:02}" for number in range(25)]


def test_packages_of_what_is_not_there_or_not_known_are_refused(shelf: Shelf) -> None:
    shelf.push("app", "v1", shelf.layer(known=False))
    with pytest.raises(ContentsPending):
        listed(shelf, "v1")
    with pytest.raises(TagUnknown):
        listed(shelf, "v2")
    with pytest.raises(ParameterInvalid, match="no ecosystem 'deno'; known are dpkg, apk"):
        known_ecosystem("deno")


def test_packages_under_a_link_of_a_lower_layer_are_there(shelf: Shelf) -> None:
    base = shelf.layer(symlink(b"/lib", b"usr/lib"), file(b"/usr/lib/apk/db/world"))
    package = Package(ecosystem="apk", name="musl", version="1.2.4-r2", path=APK)
    shelf.push("app", "v1", base, layer_of(shelf, package))
    assert listed(shelf, "v1") == ["musl 1.2.4-r2"]
    assert found(shelf, "musl") == [("musl 1.2.4-r2", ["app:v1"])]


# Across images


def test_a_query_finds_packages_with_the_images_that_have_them(shelf: Shelf) -> None:
    old, new = layer_of(shelf, deb("openssl", "3.0.9")), layer_of(shelf, deb("openssl", "3.0.13"))
    for number in range(5):
        shelf.push("app", f"v{number}", old, shelf.layer(file(b"/x%d" % number)))
    shelf.push("app", "v9", old, new)
    assert found(shelf, "openssl < 3.0.13") == [("openssl 3.0.9", ["app:v0", "app:v1", "app:v2"])]
    (hit,) = shelf.packages("openssl < 3.0.13")
    assert (hit.shown.number, hit.package.path) == (5, "")
    assert found(shelf, "openssl >= 3.0.13") == [("openssl 3.0.13", ["app:v9"])]
    assert found(shelf, "apk:openssl") == []


def test_a_query_finds_what_was_built_of_a_source(shelf: Shelf) -> None:
    shelf.push("app", "v1", layer_of(shelf, deb("openssl", "3.0.9"), deb("libssl3", "3.0.9", "openssl")))
    assert [name for name, _ in found(shelf, "openssl < 3.0.13")] == ["openssl 3.0.9", "libssl3 3.0.9"]
    assert [name for name, _ in found(shelf, "libssl*")] == ["libssl3 3.0.9"]
    assert [name for name, _ in found(shelf, "*ssl*")] == ["libssl3 3.0.9", "openssl 3.0.9"]


def test_versions_are_in_the_order_of_their_ecosystem(shelf: Shelf) -> None:
    shelf.push("app", "v1", layer_of(shelf, deb("tool", "1.0~rc1"), wheel("tool", "1.0rc1"), wheel("Tool", "1.10")))
    assert [name for name, _ in found(shelf, "tool < 1.0")] == ["tool 1.0~rc1", "tool 1.0rc1"]
    assert [name for name, _ in found(shelf, "tool > 1.9")] == ["Tool 1.10"]


def test_one_package_that_several_files_tell_of_is_one_hit(shelf: Shelf) -> None:
    shelf.push("app", "v1", layer_of(shelf, wheel("six", "1", "/a"), wheel("six", "1", "/b")))
    shelf.push("app", "v2", layer_of(shelf, wheel("six", "1", "/c")))
    assert found(shelf, "six") == [("six 1", ["app:v1", "app:v2"])]
    assert listed(shelf, "v1") == ["six 1", "six 1"]


@pytest.mark.parametrize("little", [True, False], ids=["little", "much"])
@pytest.mark.parametrize("scan", [scope.SCAN, 0.0])
@pytest.mark.parametrize("most", [1, 3, 50])
def test_pages_join_and_tell_of_nothing_that_the_caller_may_not_read(
    shelf: Shelf, little: bool, scan: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [deb(f"lib{number}", "1", "common") for number in range(7)]
    shelf.push("mine", "v1", layer_of(shelf, *mine, deb("common", "2")))
    theirs = [deb(f"lib{number}", "9", "common") for number in range(20)]
    shelf.push("theirs", "v1", layer_of(shelf, *theirs, deb("common", "9")))
    if not little:
        monkeypatch.setattr(scope, "LITTLE", 0)
    monkeypatch.setattr(scope, "SCAN", scan)
    caller = reader_of("mine")
    wanted = [(f"lib{number} 1", ["mine:v1"]) for number in range(7)]
    assert found(shelf, "lib*", caller, most=most) == wanted
    assert found(shelf, "common", caller, most=most) == [("common 2", ["mine:v1"]), *wanted]
    assert found(shelf, "lib19", caller, most=most) == []
    assert len(found(shelf, "common", most=most)) == 29


def test_a_query_that_cannot_be_read_is_refused(shelf: Shelf) -> None:
    with pytest.raises(ParameterInvalid, match="the query cannot be read"):
        shelf.inventory.search(ALL, Search("openssl <"))


# Labels


def test_labels_and_annotations_are_found_with_their_images(shelf: Shelf) -> None:
    layer = shelf.layer(file(b"/x"))
    shelf.push("app", "v1", layer, labelled={"maintainer": "Ann"})
    shelf.push("app", "v2", layer, labelled={"maintainer": "Ann"}, annotations={"org.example.commit": "abc123"})
    shelf.push("other", "v1", layer, labelled={"maintainer": "Bob"})
    told = [(hit.key, hit.value, [named.name for named in hit.shown.images]) for hit in shelf.labels("MAINT")]
    assert told == [("maintainer", "Ann", ["app:v1", "app:v2"]), ("maintainer", "Bob", ["other:v1"])]
    assert [hit.value for hit in shelf.labels("commit=abc")] == ["abc123"]
    assert [hit.value for hit in shelf.labels("maint", most=1)] == ["Ann", "Bob"]
    for short in ("", "ab"):
        with pytest.raises(ParameterInvalid, match="too short"):
            shelf.labels(short)


@pytest.mark.parametrize("few", [True, False], ids=["few", "many"])
def test_labels_of_others_are_not_found(shelf: Shelf, few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not few:
        monkeypatch.setattr(scope, "FEW", 0)
    layer = shelf.layer(file(b"/x"))
    shelf.push("mine", "v1", layer, labelled={"team": "common", "key": "mine"})
    shelf.push("theirs", "v1", layer, labelled={"team": "common", "key": "theirs"})
    caller = reader_of("mine")
    assert [(hit.value, hit.shown.number) for hit in shelf.labels("common", caller)] == [("common", 1)]
    assert shelf.labels("theirs", caller) == []
    assert [hit.value for hit in shelf.labels("key=", caller)] == ["mine"]


# Repositories and tags


def test_repositories_and_tags_are_found_by_parts_of_their_names(shelf: Shelf) -> None:
    layer = shelf.layer(file(b"/x"))
    for name, tag in (("team/app", "1.0"), ("team/app", "1.1"), ("team/api", "app-1"), ("other", "2.0")):
        shelf.push(name, tag, layer)
    assert shelf.name_search.names(ALL, Search("TEAM/")).items == ["team/api", "team/app"]
    assert shelf.name_search.names(ALL, Search("e", most=2)).items == ["other", "team/api"]
    first = shelf.name_search.tags(ALL, Search("1.", most=1))
    assert first.following is not None
    rest = shelf.name_search.tags(ALL, Search("1.", last=first.following))
    assert [f"{found.repository}:{found.tag}" for found in [*first.items, *rest.items]] == [
        "team/app:1.0",
        "team/app:1.1",
    ]
    assert [found.tag for found in shelf.name_search.tags(ALL, Search("m/app:1")).items] == ["1.0", "1.1"]
    assert [found.tag for found in shelf.name_search.tags(ALL, Search("app")).items] == ["app-1"]
    caller = reader_of("other")
    assert shelf.name_search.names(caller, Search("e")).items == ["other"]
    assert [found.tag for found in shelf.name_search.tags(caller, Search("0")).items] == ["2.0"]
    assert shelf.name_search.tags(ALL, Search("0", within="team/*")).items[0].repository == "team/app"
    with pytest.raises(ParameterInvalid):
        shelf.name_search.names(ALL, Search("e", last="wrong"))
