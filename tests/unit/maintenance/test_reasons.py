"""`why` shows every chain from what a person can see down to a digest, or that there is none."""

from pathlib import Path

from orlop.domain.digest import Digest
from orlop.domain.manifest import OCI_INDEX
from orlop.domain.name import Tag
from orlop.steps import perform
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, OCI_LAYER, descriptor, encode, image, index
from tests.unit.maintenance.upkeep import Upkeep, kinds
from tests.unit.registry.house import CALLER, HOUR, NAME, OTHER


def test_a_layer_is_kept_by_the_tag_of_an_index_of_its_image(upkeep: Upkeep) -> None:
    layer = b"deep down"
    upkeep.push_blob(b"{}")
    digest = upkeep.push_blob(layer)
    child = encode(image(descriptor(b"{}", OCI_CONFIG), [descriptor(layer, OCI_LAYER)]))
    upkeep.push(child)
    upkeep.push(encode(index([descriptor(child, OCI_IMAGE)])), "latest", media_type=OCI_INDEX)
    upkeep.wait(HOUR + 1)
    found = upkeep.reasons.of(digest)
    assert found is not None
    (chain,) = found.chains
    assert kinds(chain) == ["tag", "index", "manifest", "layer"]
    assert (chain[0].name, chain[-1].name) == (f"{NAME}:latest", digest)
    assert (found.state, found.size, found.repositories, found.waits_since) == ("live", 9, [NAME], None)
    assert upkeep.why(Digest.of(child)) == [["tag", "index", "manifest"]]


def test_a_lease_says_until_when(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"pushed")
    found = upkeep.reasons.of(digest)
    assert found is not None
    (chain,) = found.chains
    assert kinds(chain) == ["lease", "content"]
    assert chain[0].until is not None
    assert 0 < chain[0].until - upkeep.clocks.wall() <= HOUR


def test_a_referrer_is_kept_by_its_subject(upkeep: Upkeep) -> None:
    content = upkeep.new_image()
    upkeep.push(content, "latest")
    signature = upkeep.push(upkeep.new_image(subject=descriptor(content, OCI_IMAGE))).digest
    upkeep.wait(HOUR + 1)
    assert upkeep.why(signature) == [["tag", "subject", "manifest"]]


def test_an_untagged_manifest_stays_or_says_when_its_rule_takes_it(tmp_path: Path) -> None:
    with Upkeep(tmp_path / "data", rules=["team/** untagged 2h"]) as upkeep:
        for name in (NAME, OTHER):
            digest = upkeep.push_image("latest", name=name)
            upkeep.manifests.delete_tag(CALLER, name, Tag("latest"))
            found = upkeep.reasons.of(digest)
            assert found is not None
            (chain,) = found.chains
            assert kinds(chain) == ["untagged", "manifest"]
            if name == OTHER:
                assert (chain[0].until, "no rule" in chain[0].note) == (None, True)
            else:
                assert chain[0].until is not None
                assert abs(chain[0].until - upkeep.clocks.wall() - 2 * HOUR) < 10_000


def test_what_nothing_keeps_says_since_when_it_waits(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"nobody's")
    ended = upkeep.clocks.wall() + HOUR
    upkeep.wait(2 * HOUR)
    found = upkeep.reasons.of(digest)
    assert found is not None
    assert (found.chains, found.state) == ([], "live")
    assert found.waits_since is not None
    assert abs(found.waits_since - ended) < 10_000
    upkeep.collect()
    found = upkeep.reasons.of(digest)
    assert found is not None
    assert found.state == "removed"
    assert found.waits_since is not None
    assert abs(found.waits_since - upkeep.clocks.wall()) < 10_000


def test_many_chains_are_cut_and_it_says_so(upkeep: Upkeep) -> None:
    content = upkeep.new_image()
    digest = upkeep.push(content, *[f"v{number}" for number in range(9)]).digest
    upkeep.push(content, "v9", "va")
    found = upkeep.reasons.of(digest, 3)
    assert found is not None
    assert (len(found.chains), found.more) == (3, True)


def test_an_upload_and_what_nobody_knows(upkeep: Upkeep) -> None:
    upload_id = perform(upkeep.uploads.start(CALLER, NAME))
    found = upkeep.reasons.of_upload(upload_id)
    assert found is not None
    assert [kinds(chain) for chain in found.chains] == [["upload"]]
    assert upkeep.reasons.of_upload("0" * 40) is None
    assert upkeep.reasons.of(Digest.of(b"never seen")) is None
