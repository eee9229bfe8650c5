"""files.trie and diffs.json: what they hold, where they are linked, and when they go."""

import hashlib
import json
from pathlib import Path
from typing import Any

import marisa_trie
import pytest

from orlop.contents.chains import EMPTY_DIFF_ID, chain_id
from orlop.contents.images import Images
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending, ContentsUnindexable, ImageUnknown
from orlop.domain.v1.ids import ImageId
from orlop.storage.base import Storage
from tests.protocol.content import OCI_CONFIG, OCI_LAYER, descriptor, encode, image
from tests.unit.contents.known import Known, diff_id_of, directory, file, link, whiteout
from tests.unit.registry.house import CALLER, NAME, OTHER, House
from tests.unit.registry.v1_house import V1House, archive, bzip2ed, image_id

ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


def paths_in(storage: Storage, folder: str) -> set[str]:
    trie = marisa_trie.Trie()
    trie.frombytes(storage.get_content(f"{folder}/files.trie"))
    return set(trie)


def changes_in(storage: Storage, folder: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(storage.get_content(f"{folder}/diffs.json"))
    return document


def changes(added: list[str], changed: list[str], removed: list[str]) -> dict[str, list[str]]:
    return {"added": added, "changed": changed, "removed": removed}


def test_the_tip_of_an_image_has_its_files_and_what_it_changed(house: House, known: Known) -> None:
    base = known.layer(directory("/etc"), file("/etc/a"), file("/etc/b"), file("/etc/c"), link("/bin", "/usr/bin"))
    top = known.layer(file("/etc/new"), file("/etc/b", b"other"), whiteout("/etc/a"))
    folder = known.publish(known.push([base, top], "latest"))
    assert paths_in(house.storage, folder) == {"/bin", "/etc/b", "/etc/c", "/etc/new"}
    assert changes_in(house.storage, folder) == changes(["/etc/new"], ["/etc/b"], ["/etc/a"])


def test_they_are_made_once_for_a_chain_whoever_has_it(house: House, known: Known) -> None:
    layers = [known.layer(file("/a")), known.layer(file("/b"))]
    folders = {known.publish(known.push(layers, "1")), known.publish(known.push(layers, "2", name=OTHER), OTHER)}
    assert len(folders) == 2
    (chain,) = {path.split("/")[1] for path in known.objects("chains/")}
    assert chain == chain_id([diff_id_of(Digest.of(layer)) for layer in layers])
    for folder in (*folders, f"chains/{chain}"):
        assert paths_in(house.storage, folder) == {"/a", "/b"}
        assert changes_in(house.storage, folder) == changes(["/b"], [], [])


def test_a_chain_id_is_that_of_oci() -> None:
    """The rule of the image specification, config.md."""
    first, second, third = (f"sha256:{hashlib.sha256(text).hexdigest()}" for text in (b"1", b"2", b"3"))
    both = hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    assert chain_id([first]) == first.removeprefix("sha256:")
    assert chain_id([first, second]) == both
    assert chain_id([first, second, third]) == hashlib.sha256(f"sha256:{both} {third}".encode()).hexdigest()
    assert f"sha256:{hashlib.sha256(bytes(1024)).hexdigest()}" == EMPTY_DIFF_ID


def test_a_step_without_a_layer_changes_nothing(house: House, known: Known) -> None:
    layers = [known.layer(file("/a")), known.layer(file("/b"), whiteout("/a"))]
    folder = known.publish(known.push(layers, history="L-L--"))
    assert paths_in(house.storage, folder) == {"/b"}
    assert changes_in(house.storage, folder) == changes([], [], [])
    # What the step before it changed is there under the id of its layers.
    chain = "chains/" + chain_id([diff_id_of(Digest.of(layer)) for layer in layers])
    assert changes_in(house.storage, chain) == changes(["/b"], [], ["/a"])
    assert known.sweep() == 0


def test_an_image_without_layers_has_no_files(house: House, known: Known) -> None:
    folder = known.publish(known.push([], history="--"))
    assert paths_in(house.storage, folder) == set()
    assert changes_in(house.storage, folder) == changes([], [], [])


def test_zstd_layers_have_them_too_under_an_id_of_the_same_kind(house: House, known: Known) -> None:
    folder = known.publish(known.push([known.layer(file("/a"))], kind=ZSTD))
    assert paths_in(house.storage, folder) == {"/a"}


def test_the_id_is_the_one_that_v1_shows(house: House, known: Known, v1: V1House) -> None:
    digest = known.push([known.layer(file("/a")), known.layer(file("/b"))], "latest", history="L-L-")
    shown = v1.v1.tags.listing(CALLER, NAME)["latest"]
    assert known.publish(digest) == f"images/team/app/{shown}"


def test_each_image_of_a_chain_gets_its_own_when_it_is_asked_for(house: House, known: Known, v1: V1House) -> None:
    known.push([known.layer(file("/a")), known.layer(file("/b"), whiteout("/a"))], "latest", history="L-L-")
    top = v1.v1.tags.listing(CALLER, NAME)["latest"]
    files = []
    for shown in v1.v1.reading.find(CALLER, NAME, ImageId(top)).ancestry:
        chain = known.documents.of_image(NAME, shown)
        assert chain is not None
        known.documents.publish(chain)
        files.append(sorted(paths_in(house.storage, f"images/team/app/{shown}")))
    assert files == [["/b"], ["/b"], ["/a"], ["/a"]]
    assert changes_in(house.storage, f"images/team/app/{shown}") == changes(["/a"], [], [])


def test_an_image_of_v1_has_them_beside_its_json(house: House, known: Known, v1: V1House) -> None:
    known.learn(v1.push("root"), [file("/a"), file("/b")])
    known.learn(v1.push("middle", "root", layer=archive()), [])
    known.learn(v1.push("leaf", "middle", tag="latest"), [file("/c"), whiteout("/a")])
    digest = Digest(house.tag("latest"))
    assert known.publish(digest) == f"images/team/app/{image_id('leaf')}"
    for label, files, changed in (
        ("leaf", {"/b", "/c"}, changes(["/c"], [], ["/a"])),
        ("middle", {"/a", "/b"}, changes([], [], [])),
        ("root", {"/a", "/b"}, changes(["/a", "/b"], [], [])),
    ):
        chain = known.documents.of_image(NAME, image_id(label))
        assert chain is not None
        known.documents.publish(chain)
        folder = f"images/team/app/{image_id(label)}"
        assert house.storage.exists(f"{folder}/json")
        assert (paths_in(house.storage, folder), changes_in(house.storage, folder)) == (files, changed), label


def test_of_a_v1_layer_in_bzip2_the_copy_in_gzip_counts(house: House, known: Known, v1: V1House) -> None:
    pushed = v1.push("leaf", layer=bzip2ed(archive(motd=b"hello")), tag="latest")
    chain = known.documents.of_image(NAME, image_id("leaf"))
    assert chain is not None
    assert pushed not in chain.layers
    assert chain == known.documents.of_manifest(NAME, Digest(house.tag("latest")))
    known.learn(chain.layers[0], [file("/motd", b"hello")])
    known.documents.publish(chain)
    assert paths_in(house.storage, f"images/team/app/{image_id('leaf')}") == {"/motd"}


def test_an_image_that_is_being_pushed_has_none(known: Known, v1: V1House) -> None:
    v1.begin("leaf")
    assert known.documents.of_image(NAME, image_id("leaf")) is None


def test_they_wait_for_each_layer(house: House, known: Known) -> None:
    layers = [known.layer(file("/a")), b"nobody has looked at it"]
    digest = known.push(layers, "latest")
    chain = known.documents.of_manifest(NAME, digest)
    assert chain is not None
    with pytest.raises(ContentsPending):
        known.documents.publish(chain)
    assert known.objects() == set()
    assert known.documents.are_due(chain)
    known.learn(Digest.of(layers[1]), [file("/b")])
    known.publish(digest)
    assert not known.documents.are_due(chain)


def test_an_image_with_a_layer_that_cannot_be_read_has_none(known: Known) -> None:
    layers = [known.layer(file("/a")), b"a bomb"]
    known.refuse(Digest.of(layers[1]), "it is too large")
    chain = known.documents.of_manifest(NAME, known.push(layers, "latest"))
    assert chain is not None
    with pytest.raises(ContentsUnindexable, match="it is too large"):
        known.documents.publish(chain)
    assert not known.documents.are_due(chain)
    assert known.objects() == set()


@pytest.mark.parametrize("history", ["LL", "LL-"])
def test_a_kill_at_any_step_leaves_nothing_half(house: House, known: Known, history: str, tmp_path: Path) -> None:
    """Whatever was written when it ended: the next worker makes what is missing, and links all of it."""
    layers = [known.layer(file("/a")), known.layer(file("/b"))]
    digest = known.push(layers, "latest", history=history)
    folder = known.publish(digest)
    whole = {path: house.storage.get_content(path) for path in known.objects()}
    for lost in sorted(whole):
        house.storage.remove(lost)
        known.publish(digest)
        assert {path: house.storage.get_content(path) for path in known.objects()} == whole, lost
    for table in ("chains", "images"):
        known.index.write(lambda connection, table=table: connection.execute(f"DELETE FROM {table}"))  # type: ignore[misc]
        known.publish(digest)
        assert {path: house.storage.get_content(path) for path in known.objects()} == whole, table
    assert paths_in(house.storage, folder) == {"/a", "/b"}
    assert known.sweep() == 0


def test_an_image_that_is_pushed_anew_with_another_layer_gets_its_new_files(
    house: House, known: Known, v1: V1House
) -> None:
    known.learn(v1.push("leaf", tag="latest"), [file("/old")])
    known.publish(Digest(house.tag("latest")))
    house.manifests.delete(CALLER, NAME, Digest(house.tag("latest")))
    house.database.write(lambda connection: connection.driver.execute("DELETE FROM v1_images"))  # type: ignore[attr-defined]
    known.learn(v1.push("leaf", tag="latest"), [file("/new")])
    folder = known.publish(Digest(house.tag("latest")))
    assert paths_in(house.storage, folder) == {"/new"}


def test_a_sweep_takes_what_is_gone_and_nothing_else(house: House, known: Known, v1: V1House) -> None:
    shared = known.layer(file("/a"))
    gone = known.push([shared, known.layer(file("/b"))], "gone")
    kept = known.push([shared, known.layer(file("/c"))], "kept")
    other = known.push([shared], "kept", name=OTHER)
    known.learn(v1.push("leaf", tag="v1"), [file("/d")])
    folders = [known.publish(digest) for digest in (gone, kept, Digest(house.tag("v1")))]
    known.publish(other, OTHER)
    before = known.objects()
    assert known.sweep() == 0
    house.manifests.delete(CALLER, NAME, gone)
    assert known.sweep() == 4  # in the image's folder, and its chain
    assert len(before - known.objects()) == 4
    assert not known.objects(f"{folders[0]}/")
    house.repositories.delete(CALLER, NAME)
    house.names.drain(foreign=True)
    assert known.sweep() > 0
    assert {path.split("/")[0] for path in known.objects("images")} == {"images"}
    assert {path.split("/")[1] for path in known.objects("images")} == {"_"}
    assert len(known.objects("chains")) == 2
    assert known.sweep() == 0


def test_a_young_chain_waits_for_its_link(house: House, known: Known) -> None:
    digest = known.push([known.layer(file("/a"))], "latest")
    folder = known.publish(digest)
    house.manifests.delete(CALLER, NAME, digest)
    assert known.sweep(before=0) == 2
    assert known.objects(folder) == set()
    assert len(known.objects("chains/")) == 2
    assert known.sweep() == 2
    assert known.objects() == set()


def test_what_two_manifests_come_to_stays_with_the_second(house: House, known: Known) -> None:
    """The same layers and config under two manifests are one image to v1."""
    layer = known.layer(file("/a"))
    first = known.push([layer], "first")
    content = house.content.read(first)
    second = house.push(content.replace(b"{", b'{"annotations":{"a":"b"},', 1), "second").digest
    assert known.publish(first) == known.publish(second)
    house.manifests.delete(CALLER, NAME, second)
    assert known.sweep() == 0
    house.manifests.delete(CALLER, NAME, first)
    assert known.sweep() == 4


def test_what_has_no_row_any_more_goes_once_its_image_has_gone(house: House, known: Known, v1: V1House) -> None:
    """As when contents.db was thrown away."""
    known.learn(v1.push("leaf", tag="v1"), [file("/d")])
    digest = known.push([known.layer(file("/a"))], "latest")
    folders = [known.publish(digest), known.publish(Digest(house.tag("v1")))]
    for table in ("chains", "images"):
        known.index.write(lambda connection, table=table: connection.execute(f"DELETE FROM {table}"))  # type: ignore[misc]
    known.sweep()
    assert known.objects("chains/") == set()
    assert len(known.objects("images/")) == 4
    house.manifests.delete(CALLER, NAME, digest)
    known.sweep()
    assert {path.rpartition("/")[0] for path in known.objects()} == {folders[1]}


def test_a_layer_that_only_another_repository_has_tells_nothing(tmp_path: Path) -> None:
    """Where manifests are taken before their layers, whoever knows a digest can name it."""
    with House(tmp_path / "sparse.db", sparse=True) as sparse:
        elsewhere = Known(sparse, tmp_path / "sparse-contents.db")
        layer = elsewhere.layer(file("/secret"))
        sparse.push_blob(layer, OTHER)
        config = encode({"os": "linux", "history": []})
        sparse.push_blob(config)
        manifest = encode(image(descriptor(config, OCI_CONFIG), [descriptor(layer, OCI_LAYER)]))
        digest = sparse.push(manifest, "latest").digest
        v1 = V1House(sparse)
        shown = ImageId(v1.v1.tags.listing(CALLER, NAME)["latest"])
        with pytest.raises(ImageUnknown):
            v1.v1.reading.find(CALLER, NAME, shown)
        assert elsewhere.documents.of_manifest(NAME, digest) is None
        assert elsewhere.documents.of_image(NAME, shown) is None
        images = Images(sparse.database, elsewhere.index, sparse.content.read)
        assert images.find(CALLER, NAME, digest).state.name == "pending"
        sparse.push_blob(layer)
        assert images.find(CALLER, NAME, digest).state.name == "ready"
        assert v1.v1.reading.find(CALLER, NAME, shown).layer.digest == Digest.of(layer)
        assert elsewhere.documents.of_manifest(NAME, digest) == elsewhere.documents.of_image(NAME, shown) is not None
        elsewhere.close()
