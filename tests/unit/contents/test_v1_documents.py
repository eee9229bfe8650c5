"""The documents `files` and `diff` of v1: which members they have, and what these change."""

import json
from typing import Any

import pytest

from orlop.contents.entry import Entry, lossy
from orlop.contents.v1_documents import JOB, Part
from orlop.database import jobs
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending, ContentsUnindexable
from tests.unit.contents.known import Known, directory, file, link, opaque, whiteout
from tests.unit.registry.house import NAME, House
from tests.unit.registry.v1_house import V1House, archive, image_id


def document(known: Known, part: Part, digest: Digest, step: int = -1) -> Any:
    """Of the image of a manifest; `step` of its layers, where it is not the last one."""
    chain = known.documents.of_manifest(NAME, digest)
    assert chain is not None
    if step >= 0:
        chain = chain._replace(layers=chain.layers[: step + 1])
    with known.v1.write(part, chain) as written:
        written.seek(0)
        return json.loads(written.read())


def test_files_tells_of_each_member(known: Known) -> None:
    layer = known.layer(
        directory("/"),
        Entry(path="/a", size=5, mode=0o4755, uid=1, gid=2, mtime=3, digest="sha256:" + 64 * "0", offset=512),
        Entry(path="/hole", size=1 << 40, mtime=-1, sparse=((0, 1),), offset=512),
        Entry(path="/hard", type="hardlink", link="/a"),
        link("/soft", "a"),
        Entry(path="/tty", type="character", device=(4, 0)),
        Entry(path="/disk", type="block", device=(8, 0)),
        Entry(path="/pipe", type="fifo"),
        whiteout("/etc/motd", mtime=9, uid=7),
        opaque("/opt"),
        Entry(path="/.wh..wh.plnk", role="metadata"),
        Entry(path="/../outside", role="outside"),
    )
    assert document(known, "files", known.push([layer])) == [
        ["/", "d", False, 0, 0, 0o755, 0, 0],
        ["/a", "f", False, 5, 3, 0o4755, 1, 2],
        ["/hole", "S", False, 1 << 40, -1, 0, 0, 0],
        ["/hard", "l", False, 0, 0, 0, 0, 0],
        ["/soft", "s", False, 0, 0, 0o777, 0, 0],
        ["/tty", "c", False, 0, 0, 0, 0, 0],
        ["/disk", "b", False, 0, 0, 0, 0, 0],
        ["/pipe", "i", False, 0, 0, 0, 0, 0],
        ["/etc/motd", "f", True, 0, 9, 0, 7, 0],
    ]


def test_an_image_that_brings_nothing_has_neither_files_nor_changes(known: Known) -> None:
    digest = known.push([known.layer(file("/a"))], history="L-")
    assert document(known, "files", digest) == []
    assert document(known, "diff", digest) == {"deleted": {}, "changed": {}, "created": {}}
    assert document(known, "files", known.push([known.layer()])) == []


def test_diff_tells_what_the_layer_changes_in_its_parent(known: Known) -> None:
    base = known.layer(
        directory("/etc"), file("/etc/issue"), file("/etc/motd"), directory("/opt"), file("/opt/a"), file("/opt/b/c")
    )
    middle = known.layer(whiteout("/etc/issue"), file("/etc/passwd"))
    top = known.layer(
        directory("/etc"),
        file("/etc/motd", b"hi", mtime=5),
        file("/etc/issue"),
        whiteout("/etc/passwd", mtime=6),
        directory("/opt"),
        opaque("/opt"),
        file("/opt/new"),
    )
    digest = known.push([base, middle, top])
    found = document(known, "diff", digest)
    assert found == {
        "deleted": {
            "/etc/passwd": ["f", True, 0, 6, 0, 0, 0],
            "/opt/a": ["f", True, 0, 0, 0, 0, 0],
            "/opt/b": ["f", True, 0, 0, 0, 0, 0],
        },
        "changed": {
            "/etc": ["d", False, 0, 0, 0o755, 0, 0],
            "/etc/motd": ["f", False, 2, 5, 0o644, 0, 0],
            "/opt": ["d", False, 0, 0, 0o755, 0, 0],
        },
        "created": {
            "/etc/issue": ["f", False, 0, 0, 0o644, 0, 0],
            "/opt/new": ["f", False, 0, 0, 0o644, 0, 0],
        },
    }
    assert document(known, "diff", digest, step=1)["deleted"].keys() == {"/etc/issue"}
    assert document(known, "diff", digest, step=1)["created"].keys() == {"/etc/passwd"}


def test_in_a_base_layer_all_is_created_and_whiteouts_are_deletions(known: Known) -> None:
    digest = known.push([known.layer(file("/a"), whiteout("/b"), opaque("/c"))])
    found = document(known, "diff", digest)
    assert (found["deleted"].keys(), found["changed"], found["created"].keys()) == ({"/b"}, {}, {"/a"})


def test_what_is_deleted_and_made_again_in_one_layer_is_changed(known: Known) -> None:
    base = known.layer(file("/a"), file("/d/a"), file("/d/b"))
    top = known.layer(whiteout("/a"), file("/a"), whiteout("/d"), file("/d/a"))
    found = document(known, "diff", known.push([base, top]))
    assert (found["deleted"], found["changed"].keys(), found["created"]) == ({}, {"/a", "/d/a"}, {})


def test_of_two_members_of_one_path_the_last_one_counts(known: Known) -> None:
    digest = known.push([known.layer(file("/a", b"1"), whiteout("/w"), file("/a", b"22"), whiteout("/w"))])
    assert [row[3] for row in document(known, "files", digest)] == [1, 0, 2, 0]
    assert document(known, "diff", digest)["created"]["/a"][2] == 2


def test_names_that_are_no_text_are_told_as_well_as_can_be(known: Known) -> None:
    text, encoded = lossy(b"/\xff\x22")
    digest = known.push([known.layer(Entry(path=text, path_b64=encoded, digest="sha256:" + 64 * "0", offset=512))])
    assert document(known, "files", digest)[0][0] == '/\ufffd"'
    assert list(document(known, "diff", digest)["created"]) == ['/\ufffd"']


def test_many_changes_in_few_and_in_many_directories(known: Known) -> None:
    """Whichever way the image below is asked, it answers the same."""
    many = [f"/many/{number}" for number in range(6_000)]
    few = [f"/few/{number}/{name}" for number in range(100) for name in "abcdef"]
    base = known.layer(*[file(path) for path in many + few if path[-1] not in "3d"])
    top = known.layer(*[file(path) for path in many + few if path[-1] not in "5f"])
    found = document(known, "diff", known.push([base, top]))
    assert found["created"].keys() == {path for path in many + few if path[-1] in "3d"}
    assert found["changed"].keys() == {path for path in many + few if path[-1] not in "35df"}


def test_asking_has_a_worker_look_once(house: House, known: Known, v1: V1House) -> None:
    layers = [v1.push("root"), v1.push("leaf", "root")]
    subject = f"{NAME} {image_id('leaf')}"
    for _ in range(2):
        with pytest.raises(ContentsPending):
            known.v1.open("files", NAME, image_id("leaf"), None)
        found = jobs.find(house.database.reader(), JOB, subject)
        assert found is not None
        assert found.state == "waiting"
    for layer in layers:
        known.learn(layer, [file(f"/{layer}")])
    with known.v1.open("files", NAME, image_id("leaf"), None) as written:
        written.seek(0)
        assert json.loads(written.read()) == [[f"/{layers[1]}", "f", False, 0, 0, 0o644, 0, 0]]


def test_what_was_answered_has_its_files_in_the_tree_soon(house: House, known: Known, v1: V1House) -> None:
    """The first who asks is answered at once where the layers are known, and a worker makes the rest."""
    known.learn(v1.push("leaf"), [file("/a")])
    known.v1.open("diff", NAME, image_id("leaf"), None).close()
    assert jobs.find(house.database.reader(), JOB, f"{NAME} {image_id('leaf')}") is not None
    chain = known.documents.of_image(NAME, image_id("leaf"))
    assert chain is not None
    known.documents.publish(chain)
    house.database.write(lambda connection: jobs.drop(connection, JOB, f"{NAME} {image_id('leaf')}"))
    known.v1.open("diff", NAME, image_id("leaf"), None).close()
    assert jobs.find(house.database.reader(), JOB, f"{NAME} {image_id('leaf')}") is None


def test_a_layer_that_cannot_be_read_is_told_with_its_reason(house: House, known: Known, v1: V1House) -> None:
    known.refuse(v1.push("root"), "it is cut short")
    known.learn(v1.push("leaf", "root"), [file("/a")])
    known.v1.open("files", NAME, image_id("leaf"), None).close()
    for part, label in (("files", "root"), ("diff", "root"), ("diff", "leaf")):
        with pytest.raises(ContentsUnindexable, match="it is cut short"):
            known.v1.open(part, NAME, image_id(label), None)  # type: ignore[arg-type]
    assert jobs.find(house.database.reader(), JOB, f"{NAME} {image_id('leaf')}") is None


def test_what_a_worker_has_given_up_is_told_too(house: House, known: Known, v1: V1House) -> None:
    v1.push("leaf")
    with pytest.raises(ContentsPending):
        known.v1.open("files", NAME, image_id("leaf"), None)

    def give_up(connection: Any) -> None:
        job = jobs.claim(connection, "worker", 1000)
        while job is not None:
            jobs.fail(connection, job, "the disk is full", retry_at=None)
            job = jobs.claim(connection, "worker", 1000)

    house.database.write(give_up)
    with pytest.raises(ContentsUnindexable, match="the disk is full"):
        known.v1.open("files", NAME, image_id("leaf"), None)


def test_an_empty_layer_of_v1_needs_nobody_to_look(known: Known, v1: V1House) -> None:
    v1.push("leaf", layer=archive())
    with known.v1.open("files", NAME, image_id("leaf"), None) as written:
        written.seek(0)
        assert written.read() == b"[]"


def test_a_table_of_contents_that_is_lost_is_waited_for(house: House, known: Known) -> None:
    layer = known.layer(file("/a"))
    digest = known.push([layer])
    house.storage.remove(house.storage.layer_toc_path(Digest.of(layer)))
    with pytest.raises(ContentsPending):
        document(known, "files", digest)
