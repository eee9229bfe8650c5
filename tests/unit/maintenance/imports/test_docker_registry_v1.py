"""An old docker-registry's folder is taken over: names, images, tags, and nothing that is damaged."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orlop.database import v1_images
from orlop.domain.compression import Format, decompressed
from orlop.domain.errors import ImageUnknown, ImportRefused, StorageFull
from orlop.domain.name import RepositoryName
from orlop.domain.v1.tarsum import tarsums
from orlop.maintenance.imports.docker_registry_v1 import DockerRegistryV1, Imported
from orlop.maintenance.imports.old_registry import OldRegistry
from orlop.maintenance.imports.plan import Plan
from tests.unit.maintenance.old_registry import OldFolder
from tests.unit.maintenance.upkeep import Upkeep
from tests.unit.registry.house import CALLER, HOUR
from tests.unit.registry.v1_house import V1House, archive, bzip2ed, document_of, image_id, new_layer

APP = RepositoryName.parse("team/app")
UBUNTU = RepositoryName.parse("ubuntu")


@pytest.fixture
def old(tmp_path: Path) -> OldFolder:
    """Three images in one chain, which a repository of the library and another share."""
    old = OldFolder(tmp_path / "old")
    old.image("root")
    old.image("middle", "root", bzip2ed(archive(motd=b"hello")))
    old.image("leaf", "middle")
    old.image("nobodys")
    old.tag("library/ubuntu", "12.04", "middle")
    old.tag("team/app", "latest", "leaf")
    old.tag("team/app", "v1", "middle")
    return old


@pytest.fixture
def v1(upkeep: Upkeep) -> V1House:
    return V1House(upkeep)


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    folder = Path("/dev/shm") / f"orlop-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def take_over(v1: V1House, root: Path, *, keep_library: bool = False, dry_run: bool = False, **more: Any) -> Imported:
    house = v1.house
    plan = Plan(OldRegistry(root), lambda done: None, keep_library=keep_library)
    takeover = DockerRegistryV1(v1.v1, house.content, house.names, house.uploads, CALLER, lease=HOUR)
    return takeover.run(plan, more.get("tell", lambda done: None), dry_run=dry_run)


def numbers(summary: Imported) -> dict[str, int]:
    return {name: getattr(summary, name) for name in ("repositories", "images", "tags", "unchanged", "left")}


def test_everything_that_tags_reach_is_taken_over(upkeep: Upkeep, v1: V1House, old: OldFolder) -> None:
    before = old.content()
    summary = take_over(v1, old.root)
    assert summary.problems == []
    assert numbers(summary) == {"repositories": 2, "images": 5, "tags": 3, "unchanged": 0, "left": 1}
    assert v1.v1.tags.listing(CALLER, APP) == {"latest": image_id("leaf"), "v1": image_id("middle")}
    assert v1.v1.tags.listing(CALLER, UBUNTU) == {"12.04": image_id("middle")}
    for label in ("root", "middle", "leaf"):
        view = v1.v1.reading.find(CALLER, APP, image_id(label))
        assert view.json == before[f"images/{image_id(label)}/json"]
        assert upkeep.content.read(view.layer.digest) == before[f"images/{image_id(label)}/layer"]
        assert upkeep.storage.get_content(f"images/team/app/{image_id(label)}/layer") == upkeep.content.read(
            view.layer.digest
        )
    assert old.content() == before
    assert list(upkeep.storage.walk("uploads")) == []


def test_both_protocols_serve_what_was_taken_over(upkeep: Upkeep, v1: V1House, old: OldFolder) -> None:
    take_over(v1, old.root)
    digest = upkeep.tag("latest", APP)
    assert digest.startswith("sha256:")
    assert upkeep.tag("v1", APP) == upkeep.tag("12.04", UBUNTU)
    upkeep.wait(400 * 24 * HOUR)
    assert upkeep.collect().images == 0


def test_a_second_run_does_nothing(upkeep: Upkeep, v1: V1House, old: OldFolder) -> None:
    take_over(v1, old.root)
    marked = [(entry.path, entry.modified) for entry in upkeep.storage.walk()]
    summary = take_over(v1, old.root)
    assert summary.problems == []
    assert numbers(summary) == {"repositories": 0, "images": 0, "tags": 0, "unchanged": 5, "left": 1}
    assert [(entry.path, entry.modified) for entry in upkeep.storage.walk()] == marked


def test_a_run_that_was_stopped_goes_on(v1: V1House, old: OldFolder) -> None:
    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_over(v1, old.root, tell=stop)
    summary = take_over(v1, old.root)
    assert (summary.images, summary.unchanged, summary.problems) == (3, 2, [])
    assert v1.v1.tags.listing(CALLER, APP) == {"latest": image_id("leaf"), "v1": image_id("middle")}


def test_a_dry_run_tells_the_same_and_changes_nothing(upkeep: Upkeep, v1: V1House, old: OldFolder) -> None:
    before = [entry.path for entry in upkeep.storage.walk()]
    dry = take_over(v1, old.root, dry_run=True)
    assert [entry.path for entry in upkeep.storage.walk()] == before
    real = take_over(v1, old.root)
    assert numbers(dry) == numbers(real)
    assert dry.bytes == real.bytes > 0


def test_layers_are_shared_with_the_old_files(upkeep: Upkeep, v1: V1House, old: OldFolder) -> None:
    summary = take_over(v1, old.root)
    assert summary.linked == 3
    file = old.root / "images" / image_id("leaf") / "layer"
    view = v1.v1.reading.find(CALLER, APP, image_id("leaf"))
    assert os.path.samefile(file, upkeep.folder / "store" / upkeep.content.path(view.layer.digest))


def test_layers_on_another_disk_are_copied(upkeep: Upkeep, v1: V1House, old: OldFolder, apart: Path) -> None:
    shutil.copytree(old.root, apart / "old")
    summary = take_over(v1, apart / "old")
    assert (summary.images, summary.linked, summary.problems) == (5, 0, [])
    view = v1.v1.reading.find(CALLER, APP, image_id("leaf"))
    assert upkeep.content.read(view.layer.digest) == (old.root / "images" / image_id("leaf") / "layer").read_bytes()


def test_a_full_disk_ends_it(upkeep: Upkeep, v1: V1House, old: OldFolder, apart: Path) -> None:
    shutil.copytree(old.root, apart / "old")
    upkeep.room.floor = 1 << 60
    with pytest.raises(StorageFull):
        take_over(v1, apart / "old")
    assert list(upkeep.storage.walk("uploads")) == []


def test_library_may_be_kept(v1: V1House, old: OldFolder) -> None:
    take_over(v1, old.root, keep_library=True)
    assert v1.v1.tags.listing(CALLER, RepositoryName.parse("library/ubuntu")) == {"12.04": image_id("middle")}


def test_images_that_are_private_to_repositories(upkeep: Upkeep, v1: V1House, tmp_path: Path) -> None:
    old = OldFolder(tmp_path / "nested")
    for repository in ("team/app", "library/ubuntu"):
        old.image("root", repository=repository)
        old.image("leaf", "root", repository=repository)
    old.image("untagged", "leaf", repository="team/app")
    old.tag("team/app", "latest", "leaf")
    summary = take_over(v1, old.root)
    assert summary.problems == []
    assert (summary.images, summary.tags, summary.untagged) == (5, 1, 3)
    layers = [v1.v1.reading.find(CALLER, name, image_id("leaf")).layer.digest for name in (APP, UBUNTU)]
    assert layers[0] != layers[1]
    assert v1.rows(APP) == {image_id(label) for label in ("root", "leaf", "untagged")}


def test_a_namespace_may_look_like_an_id(v1: V1House, tmp_path: Path) -> None:
    old = OldFolder(tmp_path / "nested")
    old.image("root", repository="deadbeefdeadbeef/app")
    summary = take_over(v1, old.root)
    assert (summary.images, summary.problems) == (1, [])


@pytest.mark.parametrize(
    ("repository", "tag"),
    [("Team/App", "latest"), ("team/a", "1.0+build"), ("team/..", "latest"), ("te%am/a", "latest"), ("team/a", ".")],
)
def test_names_that_are_not_valid_today_are_told(v1: V1House, old: OldFolder, repository: str, tag: str) -> None:
    old.tag(repository, tag, "root") if repository != "team/.." else _tag_in(old, "%2E%2E", tag)
    summary = take_over(v1, old.root)
    assert (summary.tags, len(summary.problems)) == (3, 1)
    assert "invalid" in summary.problems[0]
    assert repository.partition("/")[2] in summary.problems[0]


def _tag_in(old: OldFolder, folder: str, tag: str) -> None:
    path = old.root / "repositories" / "team" / folder
    path.mkdir()
    (path / f"tag_{tag}").write_text(image_id("root"))


def test_quoted_names_are_read(v1: V1House, old: OldFolder) -> None:
    path = old.root / "repositories" / "team" / "my%2Eapp"
    path.mkdir()
    (path / "tag_v1%2E0").write_text(image_id("root"))
    assert take_over(v1, old.root).problems == []
    assert v1.v1.tags.listing(CALLER, RepositoryName.parse("team/my.app")) == {"v1.0": image_id("root")}


@pytest.mark.parametrize(
    ("leaf", "content", "reason"),
    [
        ("json", None, "json is missing"),
        ("json", b"{", "json is not valid"),
        ("layer", None, "layer is missing"),
        ("layer", b"other bytes", "checksum"),
        ("_inprogress", b"true", "never pushed to its end"),
    ],
)
def test_damaged_images_are_told_with_what_is_on_them(
    v1: V1House, old: OldFolder, leaf: str, content: bytes | None, reason: str
) -> None:
    file = old.root / "images" / image_id("middle") / leaf
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    old.tag("team/app", "root", "root")
    summary = take_over(v1, old.root)
    assert v1.v1.tags.listing(CALLER, APP) == {"root": image_id("root")}
    assert any(reason in problem for problem in summary.problems)
    for name in ("team/app:latest", "team/app:v1", "ubuntu:12.04"):
        assert any(problem.startswith(f"{name}: ") for problem in summary.problems)
    with pytest.raises(ImageUnknown):
        v1.v1.tags.point(CALLER, APP, next(iter(v1.v1.tags.names(CALLER, APP))), image_id("leaf"))


def tarsum_of(label: str, layer: bytes) -> str:
    return str(tarsums(decompressed([layer], Format.GZIP), document_of(label))["tarsum+sha256"])


@pytest.mark.parametrize(
    "sums",
    [
        lambda label, layer: tarsum_of(label, layer),  # one in plain text, as 0.6 wrote it
        lambda label, layer: [tarsum_of(label, layer)],
        lambda label, layer: [f"tarsum+sha256:{'0' * 64}", tarsum_of(label, layer)],
        lambda label, layer: [
            f"tarsum+sha256:{'0' * 64}",
            "sha256:" + hashlib.sha256(document_of(label) + b"\n" + layer).hexdigest(),
        ],
        lambda label, layer: [],
    ],
)
def test_checksums_of_every_age_are_understood(v1: V1House, old: OldFolder, sums: Any) -> None:
    layer = new_layer()
    old.image("aged", layer=layer, checksums=sums("aged", layer))
    old.tag("team/app", "aged", "aged")
    assert take_over(v1, old.root).problems == []


@pytest.mark.parametrize(
    "wrong",
    [f"tarsum+sha256:{'0' * 64}\n", [f"sha256:{'0' * 64}"], [f"sha256:{'0' * 64}", f"tarsum+sha256:{'0' * 64}"]],
)
def test_wrong_checksums_of_every_age_are_told(v1: V1House, old: OldFolder, wrong: object) -> None:
    old.image("aged", checksums=wrong)
    old.tag("team/app", "aged", "aged")
    summary = take_over(v1, old.root)
    assert [problem.split(": ")[0] for problem in summary.problems] == ["team/app", "team/app:aged"]
    assert image_id("aged") in v1.rows(APP)  # in progress, until it is collected
    found = v1_images.find_in(v1.house.database.reader(), APP, image_id("aged"))
    assert found is not None
    assert found.state == "in_progress"


def test_what_is_here_already_stays(v1: V1House, old: OldFolder) -> None:
    v1.push("root", name=APP, layer=new_layer() + b"\0")
    v1.push("newer", name=APP, tag="v1")
    summary = take_over(v1, old.root)
    assert v1.v1.tags.listing(CALLER, APP) == {"v1": image_id("newer")}
    assert v1.v1.tags.listing(CALLER, UBUNTU) == {"12.04": image_id("middle")}
    assert any("another image with this id" in problem for problem in summary.problems)


def test_a_tag_that_has_moved_here_stays(v1: V1House, old: OldFolder) -> None:
    take_over(v1, old.root)
    v1.push("newer", name=APP, tag="latest")
    summary = take_over(v1, old.root)
    assert summary.problems == ["team/app:latest: the registry has this tag on another image, which stays"]
    assert v1.v1.tags.find(CALLER, APP, next(t for t in v1.v1.tags.names(CALLER, APP) if t == "latest")) == image_id(
        "newer"
    )


def test_a_layer_that_is_no_archive_is_taken_and_not_tagged(v1: V1House, old: OldFolder) -> None:
    old.image("junk", layer=b"\x1f\x8bjunk")
    old.tag("team/app", "junk", "junk")
    summary = take_over(v1, old.root)
    assert len(summary.problems) == 1
    assert summary.problems[0].startswith("team/app:junk: the layer of")
    assert v1.v1.reading.find(CALLER, APP, image_id("junk"))


def test_a_folder_that_is_no_registry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="storage_path"):
        OldRegistry(tmp_path)


def test_two_names_that_become_one_are_told(v1: V1House, old: OldFolder) -> None:
    path = old.root / "repositories" / "team" / "my.app"
    path.mkdir()
    (path / "tag_a").write_text(image_id("root"))
    other = old.root / "repositories" / "team" / "my%2Eapp"
    other.mkdir()
    (other / "tag_b").write_text(image_id("root"))
    summary = take_over(v1, old.root)
    assert summary.problems == ["team/my.app: two folders of the old registry have this name: one is left out"]
