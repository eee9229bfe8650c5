"""Files are found by what a person writes, in the images in which they are live, by whoever may read these."""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from orlop.contents import candidates, scope
from orlop.contents.overlay import Overlay
from orlop.contents.scope import Search
from orlop.database import jobs
from orlop.domain.errors import ContentsUnindexable, ParameterInvalid
from tests.unit.contents.chains_of_layers import (
    Layer,
    chains,
    directory,
    entry,
    file,
    hardlink,
    load_layer,
    opaque,
    symlink,
    whiteout,
)
from tests.unit.contents.shelf import ALL, Shelf, reader_of

LIBRARY = b"/usr/lib/libssl.so.3"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """One image with a few files, which no test changes."""
    shelf = Shelf(tmp_path_factory.mktemp("full"))
    layer = shelf.layer(
        directory(b"/usr/lib"), file(LIBRARY, b"ssl"), symlink(b"/usr/lib/libssl.so", b"libssl.so.3"),
        file(b"/usr/lib/LibSSL.txt"), file(b"/etc/ssl/certs/ca.pem"), file(b"/etc/ssl/openssl.cnf"),
        file(b"/opt/a.c"), file(b"/opt/100%_!.txt"), file(b"/opt/x/y/z/deep.txt"), file(b"/opt/l\xe4tin"),
        file("/opt/größe.txt".encode()), file(b"/opt/[x]"), file(b"/srv/ssl/ssl"), file(b"/ssl"),
    )  # fmt: skip
    shelf.push("app", "v1", layer)
    yield shelf
    shelf.close()


# What is written


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("libssl.so", ["/usr/lib/libssl.so", "/usr/lib/libssl.so.3"]),
        ("LIBSSL", ["/usr/lib/LibSSL.txt", "/usr/lib/libssl.so", "/usr/lib/libssl.so.3"]),
        ("ssl.t", ["/usr/lib/LibSSL.txt"]),
        ("usr/lib", ["/usr/lib"]),
        ("lib/libssl.so.", ["/usr/lib/libssl.so.3"]),
        ("b/lib", ["/usr/lib/LibSSL.txt", "/usr/lib/libssl.so", "/usr/lib/libssl.so.3"]),
        ("etc/ssl/certs/c", ["/etc/ssl/certs/ca.pem"]),
        ("ssl/certs/", ["/etc/ssl/certs"]),
        ("c/ssl/cert", ["/etc/ssl/certs"]),
        ("ssl/", ["/etc/ssl", "/srv/ssl"]),
        ("/usr/lib/libssl.so.3", ["/usr/lib/libssl.so.3"]),
        ("/usr//lib/./", ["/usr/lib"]),
        ("/ssl", ["/ssl"]),
        ("/usr/lib/libssl", []),
        ("/lib/libssl.so.3", []),
        ("name:ssl", ["/etc/ssl", "/srv/ssl", "/srv/ssl/ssl", "/ssl"]),
        ("name:SSL", []),
        ("*.pem", ["/etc/ssl/certs/ca.pem"]),
        ("*.PEM", []),
        ("*.c", ["/opt/a.c"]),
        ("libssl.so*", ["/usr/lib/libssl.so", "/usr/lib/libssl.so.3"]),
        ("libssl.so.?", ["/usr/lib/libssl.so.3"]),
        ("[Ll]ib[Ss]*.txt", ["/usr/lib/LibSSL.txt"]),
        ("**/*.cnf", ["/etc/ssl/openssl.cnf"]),
        ("/etc/*/*.cnf", ["/etc/ssl/openssl.cnf"]),
        ("/*/ssl", ["/etc/ssl", "/srv/ssl"]),
        ("/opt/x/*/*/*", ["/opt/x/y/z/deep.txt"]),
        ("/opt/?", ["/opt/x"]),
        ("ssl/*", ["/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/srv/ssl/ssl"]),
        ("ssl/*/", ["/etc/ssl/certs"]),
        ("opt/*/y", ["/opt/x/y"]),
        ("100%_!", ["/opt/100%_!.txt"]),
        ("0%_", ["/opt/100%_!.txt"]),
        ("xyz%", []),
        ("GRÖSSE", []),
        ("größ", ["/opt/größe.txt"]),
        ("GRÖ", ["/opt/größe.txt"]),
        ("name:[x]", ["/opt/[x]"]),
        ('ssl" OR "lib', []),
        ("tin", ["/opt/l�tin"]),
    ],
)
@pytest.mark.parametrize("caller", [ALL, reader_of("app")], ids=["all", "some"])
def test_texts_find_what_they_say(full: Shelf, text: str, found: list[str], caller: object) -> None:
    assert full.paths(text, caller) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "so", "/", "a/b", "?a", "*", "*.*", "**", "a/**/b.txt", "name:", "name:a/b", "sha256:12", "x" * 1001,
        "a\0bc", "[x]",
    ],
)  # fmt: skip
def test_what_is_no_text_to_look_for_is_refused_with_what_to_write(full: Shelf, text: str) -> None:
    with pytest.raises(ParameterInvalid) as caught:
        full.files(text)
    assert "\n" not in str(caught.value)


def test_a_digest_finds_the_files_of_that_content(full: Shelf) -> None:
    (hit,) = full.files(LIBRARY.decode())
    assert hit.digest is not None
    for caller in (ALL, reader_of("app")):
        assert full.paths(hit.digest, caller) == [LIBRARY.decode()]
        assert full.paths("sha256:" + "0" * 64, caller) == []


# What is told of a hit


def test_a_hit_tells_of_the_file_its_layer_and_the_step_that_made_it(shelf: Shelf) -> None:
    base, top = shelf.layer(file(b"/etc/base")), shelf.layer(file(LIBRARY, b"ssl"))
    shelf.push("app", "v1", base, top, steps=("FROM scratch", "RUN apt-get install openssl"))
    (hit,) = shelf.files("libssl")
    assert (hit.path, hit.kind, hit.size) == (LIBRARY, "file", 3)
    assert hit.step == "RUN apt-get install openssl"
    assert len(hit.layer) == len("sha256:") + 64
    assert [named.name for named in hit.shown.images] == ["app:v1"]


def test_a_step_is_told_only_where_the_history_says_which(shelf: Shelf) -> None:
    shelf.push("app", "v1", shelf.layer(file(LIBRARY)), steps=("one", "two", "three"))
    (hit,) = shelf.files("libssl")
    assert hit.step is None


def test_the_same_file_in_many_images_is_one_hit(shelf: Shelf) -> None:
    base = shelf.layer(file(LIBRARY, b"one"))
    for number in range(12):
        own = shelf.layer(file(LIBRARY, b"one")) if number % 2 else base
        shelf.push(f"team/app{number % 3}", f"1.{number}", own, shelf.layer(file(b"/app%d" % number)))
    shelf.push("other", "v1", shelf.layer(file(LIBRARY, b"two")))
    one, two = shelf.files("libssl.so")
    assert (one.shown.number, one.layers) == (12, 7)
    assert [named.name for named in one.shown.images] == ["team/app0:1.0", "team/app0:1.3", "team/app0:1.6"]
    assert (two.shown.number, two.layers) == (1, 1)


def test_versions_in_tags_are_in_the_order_of_their_numbers(shelf: Shelf) -> None:
    layer = shelf.layer(file(LIBRARY))
    for tag in ("1.12", "1.4", "latest", "1.9"):
        shelf.push("app", tag, layer)
    assert shelf.where("libssl")[LIBRARY.decode()] == ["app:1.4", "app:1.9", "app:1.12"]


def test_an_image_without_a_tag_is_told_by_its_digest(shelf: Shelf) -> None:
    layer = shelf.layer(file(LIBRARY))
    digest = shelf.push("app", "", layer)
    assert shelf.where("libssl") == {LIBRARY.decode(): [f"app@{digest}"]}
    shelf.push("app", "v1", layer)
    assert shelf.where("libssl") == {LIBRARY.decode(): ["app:v1"]}


def test_a_tag_of_an_index_is_told_with_the_platform(shelf: Shelf) -> None:
    amd, arm = shelf.layer(file(b"/amd.txt"), file(b"/both.txt")), shelf.layer(file(b"/arm.txt"), file(b"/both.txt"))
    children = {
        "arm64": shelf.push("app", "", arm, platform="linux/arm64"),
        "amd64": shelf.push("app", "", amd, platform="linux/amd64"),
    }
    shelf.push_index("app", "v1", **children)
    told = {hit.path: (hit.shown.number, hit.shown.images[0]) for hit in shelf.files(".txt")}
    assert told[b"/arm.txt"] == (1, ("app", "v1", children["arm64"], "linux/arm64"))
    assert told[b"/both.txt"] == (1, ("app", "v1", children["amd64"], "linux/amd64"))


def test_images_that_nobody_has_looked_into_are_not_found_and_are_counted(shelf: Shelf) -> None:
    base = shelf.layer(file(LIBRARY))
    shelf.push("app", "v1", base)
    unknown = shelf.push("app", "v2", base, shelf.layer(known=False))
    secret = shelf.push("secret", "v1", base, shelf.layer(known=False))
    known = shelf.push("app", "v3", base)
    assert shelf.where("libssl") == {LIBRARY.decode(): ["app:v1", "app:v3"]}
    assert shelf.searcher.pending(ALL) == 0  # these were never asked for
    for subject in (f"app {unknown}", f"secret {secret}", f"app {known}", f"app sha256:{'0' * 64}"):
        shelf.house.database.write(partial(jobs.enqueue, kind="image", subject=subject))
    assert shelf.searcher.pending(ALL) == 2
    assert shelf.searcher.pending(reader_of("app")) == 1
    assert shelf.searcher.pending(ALL, "secret") == 1
    shelf.house.database.write(partial(jobs.drop, kind="image", subject=f"secret {secret}"))
    shelf.house.database.write(partial(jobs.enqueue, kind="index-all", subject=""))
    assert shelf.searcher.pending(ALL) == 2


def test_where_nobody_looks_into_images_that_is_said(shelf: Shelf) -> None:
    shelf.images.index = None
    with pytest.raises(ContentsUnindexable, match=r"contents\.enabled"):
        shelf.files("libssl")
    assert shelf.searcher.pending(ALL) == 0


# Where a file is live


@pytest.mark.parametrize(
    "above",
    [
        [whiteout(LIBRARY)], [whiteout(b"/usr")], [whiteout(b"/usr/lib")], [opaque(b"/usr/lib")], [opaque(b"/")],
        [file(b"/usr/lib")], [symlink(b"/usr", b"/opt")], [file(LIBRARY, b"others")], [directory(LIBRARY)],
        [entry("fifo", b"/usr/lib")], [whiteout(b"/usr"), file(LIBRARY, b"once more")], [file(LIBRARY + b"/below")],
    ],
)  # fmt: skip
def test_what_a_later_layer_deletes_or_replaces_is_not_found_in_its_images(shelf: Shelf, above: Layer) -> None:
    base = shelf.layer(file(LIBRARY, b"first"))
    shelf.push("app", "kept", base)
    shelf.push("app", "gone", base, shelf.layer(*above))
    shelf.push("app", "gone2", base, shelf.layer(*above), shelf.layer(file(b"/more")))
    told = {(hit.kind, hit.size): [named.name for named in hit.shown.images] for hit in shelf.files(LIBRARY.decode())}
    assert told.pop(("file", len(b"first"))) == ["app:kept"]
    assert all(names == ["app:gone", "app:gone2"] for names in told.values())


@pytest.mark.parametrize(
    "above",
    [
        [opaque(LIBRARY)], [whiteout(b"/usr/lib/other")], [directory(b"/usr/lib", 0o700)], [file(b"/usr/lib/more")],
        [whiteout(b"/usr/li")], [opaque(b"/usr/lib/sub")],
    ],
)  # fmt: skip
def test_what_touches_only_its_neighbours_leaves_a_file_live(shelf: Shelf, above: Layer) -> None:
    shelf.push("app", "v1", shelf.layer(file(LIBRARY)), shelf.layer(*above))
    assert shelf.where(LIBRARY.decode()) == {LIBRARY.decode(): ["app:v1"]}


def test_a_layer_below_takes_nothing_away(shelf: Shelf) -> None:
    below, layer = shelf.layer(whiteout(LIBRARY), file(b"/etc/x")), shelf.layer(file(LIBRARY))
    shelf.push("app", "v1", below, layer)
    shelf.push("app", "v2", layer, below)
    shelf.push("app", "v3", layer, below, layer)
    assert shelf.where("libssl") == {LIBRARY.decode(): ["app:v1", "app:v3"]}


def test_a_file_under_a_link_of_a_lower_layer_is_found_where_it_is(shelf: Shelf) -> None:
    """A layer without an entry for /lib, over one in which that is a link: what it has there goes where that points."""
    base = shelf.layer(symlink(b"/lib", b"usr/lib"), file(b"/usr/lib/libc.so", b"old"))
    top = shelf.layer(file(b"/lib/libc.so", b"new!"))
    shelf.push("app", "v1", base)
    shelf.push("app", "v2", base, top)
    told = {hit.size: [named.name for named in hit.shown.images] for hit in shelf.files("libc.so")}
    assert told == {3: ["app:v1"], 4: ["app:v2"]}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(chain=chains)
def test_all_that_is_found_in_an_image_is_all_that_is_in_it(chain: list[Layer], generated: Shelf) -> None:
    name = f"generated/n{next(_numbers)}"
    contents = []
    for layer in chain:
        content = b"generated %d" % next(_numbers)
        load_layer(generated.index, generated.digest_of(content), layer)
        contents.append(content)
    generated.push(name, "v1", *contents)
    with generated.index.reading() as connection:
        ids = [
            connection.execute("SELECT id FROM layers WHERE digest = ?", (generated.digest_of(content),)).fetchone()[0]
            for content in contents
        ]
        there = {
            (node.path, node.kind, node.digest or node.link if node.kind != "directory" else None)
            for node in Overlay(connection, ids).walk()
        }
    texts = ("name:a", "name:b", "name:a-b", "name:link", "/a/*", "a-b")
    found = {
        (hit.path, hit.kind, hit.digest or hit.link if hit.kind != "directory" else None)
        for text in texts
        for hit in generated.files(text, within=name)
    }
    named = {thing for thing in there if thing[0].rpartition(b"/")[2] != b"\xff\xfe" or thing[0].startswith(b"/a/")}
    assert found - named == set()
    assert {thing for thing in named if thing[0].rpartition(b"/")[2] in (b"a", b"b", b"a-b", b"link")} - found == set()


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path_factory.mktemp("generated"))
    yield shelf
    shelf.close()


# Who may read what


@pytest.fixture
def two(shelf: Shelf) -> Shelf:
    """Repositories of two: `mine` and `theirs` share a layer, and `theirs` has more."""
    shared = shelf.layer(file(LIBRARY, b"shared"), file(b"/etc/key.pem"))
    shelf.push("mine", "v1", shared, shelf.layer(file(b"/opt/mine.conf")))
    shelf.push("theirs", "v1", shared, shelf.layer(*[file(b"/opt/theirs-%d.conf" % number) for number in range(500)]))
    shelf.push("theirs", "v2", shared, shelf.layer(whiteout(LIBRARY), file(b"/opt/mine.conf", b"other")))
    return shelf


MINE = reader_of("mine")


@pytest.mark.parametrize("little", [True, False], ids=["little", "much"])
def test_a_hit_tells_of_nothing_that_the_caller_may_not_read(
    two: Shelf, little: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not little:
        monkeypatch.setattr(scope, "LITTLE", 0)
    (hit,) = two.files("libssl", MINE)
    assert ([named.name for named in hit.shown.images], hit.shown.number, hit.layers) == (["mine:v1"], 1, 1)
    (conf,) = two.files(".conf", MINE)
    assert (conf.path, conf.size, conf.shown.number) == (b"/opt/mine.conf", 0, 1)
    assert two.files("theirs", MINE) == []
    assert two.files("/opt/theirs-1.conf", MINE) == []
    assert len(two.files(".conf")) == 502


def test_where_the_caller_may_read_little_no_search_is_longer_for_what_others_have(
    two: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One page, whatever others have of it: one that ends early would tell that there is something."""
    monkeypatch.setattr(candidates, "TICK", 2)
    for text in ("theirs", "*.conf", "opt/the", "/opt/*", "name:theirs-1.conf"):
        page = two.finder.files(MINE, Search(text))
        assert page.following is None
        assert all(hit.path == b"/opt/mine.conf" for hit in page.items)


def test_a_cursor_tells_nothing_and_is_good_for_its_search_alone(two: Shelf) -> None:
    page = two.finder.files(ALL, Search(".conf", most=3))
    assert page.following is not None
    assert page.following == two.finder.files(ALL, Search(".conf", most=3)).following
    for search in (
        Search("libssl", last=page.following), Search(".conf", "mine", page.following),
        Search(".conf", last=page.following[:-1]), Search(".conf", last=page.following[::-1]),
        Search(".conf", last="x"), Search(".conf", last="é"), Search(".conf", last="A" * 5000),
    ):  # fmt: skip
        with pytest.raises(ParameterInvalid):
            two.finder.files(ALL, search)
    with pytest.raises(ParameterInvalid):
        two.label_search.page(ALL, Search(".conf", last=page.following))


def test_repositories_are_named_by_a_name_or_a_pattern(two: Shelf) -> None:
    assert two.paths("libssl", within="mine") == two.paths("libssl", within="*") == [LIBRARY.decode()]
    assert len(two.files(".conf", within="the*")) == 501
    assert two.files(".conf", MINE, within="theirs") == []
    assert two.files(".conf", within="nobody/**") == []
    with pytest.raises(ParameterInvalid, match="repositories"):
        two.files(".conf", within="Not A Name")


def test_a_manifest_that_names_a_layer_of_others_finds_nothing_in_it(tmp_path: Path) -> None:
    """Where manifests are taken before their layers: whoever guesses a digest learns nothing by that."""
    shelf = Shelf(tmp_path, sparse=True)
    secret = shelf.layer(file(b"/secret.txt"), whiteout(b"/own.txt"))
    own = shelf.layer(file(b"/own.txt"))
    shelf.push("theirs", "v1", own, secret)
    shelf.push("mine", "v1", own)
    shelf.push("mine", "v2", own, secret, held=False)
    assert shelf.where(".txt", MINE) == {"/own.txt": ["mine:v1"]}
    shelf.close()


# Page by page


@pytest.mark.parametrize("text", [".txt", "name:x1.txt", "dir*/x*.txt", "/d1/*", "dir/x", "*.txt"])
@pytest.mark.parametrize("caller", [ALL, reader_of("app")], ids=["all", "some"])
@pytest.mark.parametrize("most", [1, 2, 7])
def test_pages_join_without_a_gap(many: Shelf, text: str, caller: object, most: int) -> None:
    whole = [(hit.path, hit.size) for hit in many.files(text, caller, most=1000)]  # type: ignore[arg-type]
    assert len(whole) > most
    assert len(set(whole)) == len(whole)
    assert [(hit.path, hit.size) for hit in many.files(text, caller, most=most)] == whole  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [".txt", "dir*/x*.txt", "/d1/*", "dir/x", "none*/x*.txt", "x[35].txt"])
@pytest.mark.parametrize("caller", [ALL, reader_of("app")], ids=["all", "some"])
def test_a_search_whose_time_is_over_goes_on_where_it_was(
    many: Shelf, text: str, caller: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [(hit.path, hit.size) for hit in many.files(text, caller)]  # type: ignore[arg-type]
    monkeypatch.setattr(scope, "SCAN", 0.0)
    monkeypatch.setattr(candidates, "TICK", 3)
    assert [(hit.path, hit.size) for hit in many.files(text, caller)] == whole  # type: ignore[arg-type]


def test_names_that_are_not_quite_what_is_wanted_take_no_longer(many: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "SCAN", 0.0)
    monkeypatch.setattr(candidates, "TICK", 3)
    assert many.finder.files(ALL, Search("x??.txt")).following is not None
    assert many.files("x??.txt") == []


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path_factory.mktemp("many"))
    for number in range(3):
        names = [b"/%b/x%d.txt" % (folder, name) for folder in (b"d1", b"d2", b"a/dir", b"b/dir3") for name in range(6)]
        shelf.push(
            "app", f"v{number}", shelf.layer(*[file(name, b"x" * number) for name in names], file(b"/none/y.txt"))
        )
    yield shelf
    shelf.close()


def test_a_directory_is_one_hit_whatever_layers_name_it(shelf: Shelf) -> None:
    shelf.push("app", "v1", shelf.layer(directory(b"/opt/tool", 0o700)), shelf.layer(file(b"/opt/tool/x")))
    (hit,) = shelf.files("name:tool")
    assert (hit.kind, hit.shown.number) == ("directory", 1)
    shelf.push("app", "v1", shelf.layer(hardlink(b"/opt/tool", b"/opt/x"), file(b"/opt/x")))
    assert {hit.kind for hit in shelf.files("name:tool")} == {"directory", "hardlink"}
