"""A repository is deleted whole, and what others hold or push meanwhile stays."""

from pathlib import Path
from typing import Any

import pytest

from orlop.database import repositories, tags
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, ManifestUnknown, RepositoryUnknown, UploadUnknown
from orlop.domain.name import Tag
from orlop.registry import repositories as registry_repositories
from orlop.steps import perform
from orlop.storage.local import LocalStorage
from tests.protocol.content import OCI_IMAGE, OCI_INDEX, descriptor, encode, index
from tests.unit.registry.house import CALLER, NAME, OTHER, House


def test_all_that_a_repository_held_is_gone_and_nothing_else(tmp_path: Path) -> None:
    with House(tmp_path / "orlop.db", LocalStorage(tmp_path / "store")) as house:
        content = house.new_image()
        child = house.push(content, "a", "b").digest
        house.push(encode(index([descriptor(content, OCI_IMAGE)])), "latest", media_type=OCI_INDEX)
        blob = house.push_blob(b"alone")
        upload_id = perform(house.uploads.start(CALLER, NAME))
        other = house.push_image("latest", name=OTHER)
        held = house.repositories.delete(CALLER, NAME)
        assert (held.tags, held.manifests, held.blobs) == (3, 2, 3)
        with pytest.raises(ManifestUnknown):
            house.manifests.find(CALLER, NAME, child)
        with pytest.raises(BlobUnknown):
            house.blobs.find(CALLER, NAME, blob)
        with pytest.raises(UploadUnknown):
            house.uploads.size(CALLER, NAME, upload_id)
        with pytest.raises(RepositoryUnknown):
            house.repositories.delete(CALLER, NAME)
        assert house.repositories.page(CALLER, last="", count=10).names == [OTHER]
        assert house.tag("latest", OTHER) == other
        assert [path.name for path in (tmp_path / "store" / "repositories").iterdir()] == ["_"]
        row = (
            house.database.reader()
            .driver.execute("SELECT repository, detail FROM audit WHERE action = 'repository.delete'")
            .fetchall()
        )
        assert row == [(NAME, '{"tags":3,"manifests":2}')]


def test_what_is_freed_is_what_no_other_repository_needs(house: House) -> None:
    content = house.new_image()
    house.push(content, "latest")
    house.push_blob(b"alone")
    held = house.repositories.delete(CALLER, NAME, dry_run=True)
    # Both repositories hold the config; this one alone its manifest, its layer and the blob.
    house.push_blob(b"{}", OTHER)
    less = house.repositories.delete(CALLER, NAME, dry_run=True)
    assert (held.freed_blobs, less.freed_blobs) == (4, 3)
    assert held.freed - less.freed == len(b"{}")
    assert house.manifests.find(CALLER, NAME, Digest.of(content))


def test_many_go_in_batches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_repositories, "BATCH", 3)
    contents = [house.new_image() for _ in range(5)]
    for number, content in enumerate(contents):
        house.push(content, f"v{number}", f"w{number}")
    house.repositories.delete(CALLER, NAME)
    assert repositories.find(house.database.reader(), NAME) is None
    assert list(house.storage.walk("repositories")) == []
    found = (
        house.database.reader()
        .driver.execute("SELECT count(*) FROM audit WHERE action = 'repository.delete'")
        .fetchone()
    )
    assert found == (1,)


def test_what_is_pushed_meanwhile_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """B18: a push into the repository while it is deleted."""
    monkeypatch.setattr(registry_repositories, "BATCH", 2)
    for number in range(3):
        house.push(house.new_image(), f"v{number}")
    pushed: list[Digest] = []
    publish = house.names.publish

    def push_meanwhile(changes: Any) -> None:
        publish(changes)
        if not pushed:
            pushed.append(house.push_image("new", "v1"))

    monkeypatch.setattr(house.names, "publish", push_meanwhile)
    house.repositories.delete(CALLER, NAME)
    assert house.tag("new") == pushed[0]
    assert house.tag("v1") == pushed[0]
    repository_id = repositories.find_known(house.database.reader(), NAME)
    assert repository_id is not None
    assert tags.names(house.database.reader(), repository_id, last="", count=10) == ["new", "v1"]
    assert house.manifests.read(house.manifests.find(CALLER, NAME, Tag("new")))
