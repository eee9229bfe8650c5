"""Where a layer or an image is, of what somebody may read: on both databases."""

from typing import Any

import pytest

from orlop.database import jobs, manifests, repositories, tags, whereabouts
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.manifests import Reference
from orlop.domain.name import RepositoryName
from tests.unit.database.content import CALLER, LAYER, NAME, OTHER, add_blob, digest, values

CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
ALL = 100


def add_image(connection: Connection, name: RepositoryName, text: str, *layers: str, held: bool = True) -> int:
    references = []
    for kind, content in [("config", f"config of {text}"), *(("layer", layer) for layer in layers)]:
        if held:
            add_blob(connection, name, content)
        references.append(Reference(kind, digest(content), 10, LAYER))
    return add(connection, name, text, references, config_media_type=CONFIG, platforms='["linux/arm64"]')


def add_index(connection: Connection, name: RepositoryName, text: str, *children: str) -> int:
    references = [Reference("manifest", digest(child), 10, OCI_INDEX) for child in children]
    return add(connection, name, text, references, media_type=OCI_INDEX)


def add(connection: Connection, name: RepositoryName, text: str, references: list[Reference], **more: Any) -> int:
    repository_id = repositories.ensure(connection, name)
    manifest_id = manifests.add(connection, repository_id, {**values(text), **more}, references)
    assert manifest_id is not None
    return manifest_id


def tag(connection: Connection, name: RepositoryName, manifest_id: int, text: str, *names: str) -> None:
    for each in names:
        tags.point(connection, CALLER, repositories.ensure(connection, name), each, manifest_id, digest(text))


@pytest.fixture
def filled(database: Database) -> Database:
    def fill(connection: Connection) -> None:
        tag(connection, NAME, add_image(connection, NAME, "one", "base", "base", "top"), "one", "v1", "latest")
        add_image(connection, NAME, "untagged", "base")
        add_image(connection, NAME, "child", "base")
        tag(connection, NAME, add_index(connection, NAME, "index", "child"), "index", "multi")
        tag(connection, NAME, add_index(connection, NAME, "outer", "index", "child"), "outer", "nested")
        tag(connection, OTHER, add_image(connection, OTHER, "two", "base"), "two", "v1")
        add_image(connection, OTHER, "not held", "base", "secret", held=False)
        add(connection, OTHER, "chart", [Reference("layer", digest("base"), 10, LAYER)], config_media_type="helm")

    database.write(fill)
    return database


def told(found: list[whereabouts.Sighting]) -> list[tuple[str, str, int, str | None]]:
    texts = {str(digest(text)): text for text in ("one", "untagged", "child", "two", "not held")}
    return [(item.repository, texts[item.digest], item.depth, item.tag) for item in found]


SEEN = [
    (NAME, "one", 0, "latest"), (NAME, "one", 0, "v1"), (NAME, "untagged", 0, None), (NAME, "child", 0, None),
    (NAME, "child", 1, "multi"), (NAME, "child", 1, "nested"), (NAME, "child", 2, "nested"),
]  # fmt: skip


def test_a_layer_is_in_the_images_that_name_it_by_all_their_tags(filled: Database) -> None:
    reader = filled.reader()
    found = whereabouts.with_layer(reader, digest("base"), "", ALL)
    assert told(found) == [(OTHER, "two", 0, "v1"), *SEEN]
    assert {item.platforms for item in found} == {'["linux/arm64"]'}
    assert whereabouts.with_layer(reader, digest("base"), "", 2) == found[:2]
    assert whereabouts.with_layer(reader, digest("none"), "", ALL) == []
    # A config is no layer, and what a repository does not hold is not in its images.
    assert whereabouts.with_layer(reader, digest("config of one"), "", ALL) == []
    assert whereabouts.with_layer(reader, digest("secret"), "", ALL) == []


def test_only_what_may_be_read_is_told(filled: Database) -> None:
    reader, readable = filled.reader(), f"^(?:{NAME})$"
    assert told(whereabouts.with_layer(reader, digest("base"), readable, ALL)) == SEEN
    assert whereabouts.of_manifest(reader, digest("two"), readable, ALL) == []
    assert told(whereabouts.of_manifest(reader, digest("two"), "", ALL)) == [(OTHER, "two", 0, "v1")]
    assert whereabouts.names(reader, "", readable, "", ALL) == [NAME]
    assert {found.repository for found in whereabouts.tagged(reader, "", readable, ("", ""), ALL)} == {NAME}


def test_what_is_lost_is_not_told(filled: Database) -> None:
    filled.write(lambda connection: manifests.lose(connection, digest("one")))
    found = whereabouts.with_layer(filled.reader(), digest("base"), "", ALL)
    assert "one" not in {text for _, text, _, _ in told(found)}


def test_what_a_repository_holds(filled: Database) -> None:
    reader = filled.reader()
    assert set(whereabouts.layers_in(reader, NAME, ALL)) == {digest("base"), digest("top")}
    assert len(whereabouts.manifests_in(reader, NAME, ALL)) == 5
    assert len(whereabouts.manifests_in(reader, NAME, 2)) == 2


def test_names_and_tags_hold_a_text_in_either_case_and_come_page_by_page(filled: Database) -> None:
    reader = filled.reader()
    assert whereabouts.names(reader, "TEAM", "", "", ALL) == [NAME]
    assert whereabouts.names(reader, "%", "", "", ALL) == []
    first = whereabouts.tagged(reader, "", "", ("", ""), 2)
    rest = whereabouts.tagged(reader, "", "", (first[-1].repository, first[-1].tag), ALL)
    assert [item[:2] for item in [*first, *rest]] == [
        (OTHER, "v1"), (NAME, "latest"), (NAME, "multi"), (NAME, "nested"), (NAME, "v1"),
    ]  # fmt: skip
    assert [item.tag for item in whereabouts.tagged(reader, "APP:V", "", ("", ""), ALL)] == ["v1"]
    assert whereabouts.tagged(reader, "", "", ("", ""), ALL)[-1].digest == digest("one")


def test_images_that_wait_for_a_worker_are_pending(database: Database) -> None:
    def fill(connection: Connection) -> None:
        jobs.enqueue(connection, "image", "a sha256:00")
        jobs.enqueue(connection, "layer", "sha256:00")

    database.write(fill)
    assert whereabouts.pending(database.reader(), ALL) == [("image", "a sha256:00")]
