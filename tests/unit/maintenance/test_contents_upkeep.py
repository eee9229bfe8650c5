"""Collection, scrub, rebuild and restore of a registry whose images have been looked into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.contents import backlog
from orlop.contents.index import Index
from orlop.contents.layers import layer_state
from orlop.contents.limits import Limits
from orlop.contents.making import Making
from orlop.database import jobs
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName
from orlop.maintenance.collection import Collection, Options
from orlop.maintenance.contents_sweep import ContentsSweep
from orlop.maintenance.rebuild import Rebuild
from orlop.registry.manifests import Manifests
from orlop.worker.handlers import Handlers
from orlop.worker.loop import Loop
from tests.protocol import layers
from tests.protocol.content import OCI_CONFIG, OCI_LAYER, descriptor, encode, image
from tests.unit.maintenance.registry import back_up, restore
from tests.unit.maintenance.scrubbing import scrub, told
from tests.unit.maintenance.upkeep import DAY, Upkeep
from tests.unit.registry.house import CALLER, HOUR, NAME

BASE = layers.layer({"etc/os-release": b"ID=test\n"})
TOP = layers.layer({"app": b"1"})
OTHER = layers.layer({"other": b"2"})


class Looked(Upkeep):
    """An Upkeep whose images are looked into."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.index = Index(folder / "contents.db")
        self.manifests = Manifests(self.content, self.names, limit=4 << 20, lease=HOUR, sparse=False, contents=True)
        sweep = ContentsSweep(self.storage, self.database, self.index, self.content.read)
        options = Options(folder, HOUR, 0, ())
        self.collection = Collection(
            self.storage, self.database, self.names, self.new_uploads(), self.clock, options, sweep
        )

    def push_layers(self, tag: str, *contents: bytes, name: RepositoryName = NAME) -> Digest:
        config = encode({"architecture": "amd64", "os": "linux", "layers": len(contents)})
        for content in (config, *contents):
            self.push_blob(content, name)
        listed = [descriptor(content, OCI_LAYER) for content in contents]
        return self.push(encode(image(descriptor(config, OCI_CONFIG), listed)), tag, name=name).digest

    def work(self) -> None:
        """Until nothing is left to do."""
        making = Making(self.storage, self.database, self.index, self.content.read, Limits())
        self.database.write(lambda connection: connection.driver.execute("UPDATE jobs SET run_at = 0"))
        Loop(self.database, Handlers(self.database, making), yielding=False).run(until_done=True)

    def known(self) -> set[bytes]:
        reader = self.index.reader()
        return {content for content in (BASE, TOP, OTHER) if layer_state(reader, Digest.of(content)) is not None}

    def derived(self) -> list[str]:
        """What the tree has beyond what was pushed, by its top folder and its file."""
        folders = (self.storage.layers, self.storage.chains, self.storage.images)
        found = [entry.path.split("/") for folder in folders for entry in self.storage.walk(folder)]
        return sorted(f"{segments[0]} {segments[-1]}" for segments in found)

    def close(self) -> None:
        self.index.close()
        super().close()


@pytest.fixture
def looked(tmp_path: Path) -> Iterator[Looked]:
    with Looked(tmp_path / "data") as looked:
        looked.push_layers("v1", BASE, TOP)
        looked.push_layers("v2", BASE, OTHER)
        looked.work()
        looked.names.drain()
        yield looked


ALL = sorted(
    [*["layers toc"] * 3, *["chains files.trie", "chains diffs.json", "images files.trie", "images diffs.json"] * 2]
)


def test_what_is_known_of_images_that_are_gone_goes_with_them(looked: Looked) -> None:
    assert looked.derived() == ALL
    looked.manifests.delete(CALLER, NAME, looked_digest(looked, "v2"))
    looked.wait(2 * DAY)
    assert looked.collect().contents == 5  # a table, and two documents with their links
    assert looked.known() == {BASE, TOP}
    assert looked.derived() == sorted(
        ["layers toc", "layers toc", "chains files.trie", "chains diffs.json", "images files.trie", "images diffs.json"]
    )
    assert looked.collect().contents == 0
    # It comes back with the next push.
    looked.push_layers("v2", BASE, OTHER)
    looked.work()
    assert looked.known() == {BASE, TOP, OTHER}
    assert looked.derived() == ALL


def looked_digest(looked: Looked, tag: str) -> Digest:
    return Digest(looked.tag(tag))


def test_a_layer_that_comes_back_while_it_is_forgotten_is_asked_for(
    looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ContentsSweep(looked.storage, looked.database, looked.index, looked.content.read)
    answers = iter([False, True])
    monkeypatch.setattr(sweep, "_is_there", lambda digest: next(answers, True))
    assert sum(gone for _, gone in sweep.layers("")) == 1
    assert jobs.counts(looked.database.reader()).waiting == 1
    looked.work()
    assert looked.known() == {BASE, TOP, OTHER}


def test_a_table_of_contents_that_nobody_knows_goes(looked: Looked) -> None:
    looked.storage.put_content(looked.storage.layer_toc_path(Digest.of(b"gone")), b"left behind")
    assert looked.collect().contents == 1
    assert looked.derived() == ALL


def test_a_scrub_finds_nothing_wrong_with_what_is_known(looked: Looked, tmp_path: Path) -> None:
    report = scrub(looked, tmp_path / "data", contents=True)
    assert told(report) == set()


@pytest.mark.parametrize(("folder", "leaf"), [("layers", "toc"), ("chains", "files.trie"), ("chains", "diffs.json")])
def test_a_scrub_has_what_is_damaged_made_again(looked: Looked, tmp_path: Path, folder: str, leaf: str) -> None:
    path = next(entry.path for entry in looked.storage.walk(folder) if entry.path.endswith(leaf))
    good = looked.storage.get_content(path)
    looked.storage.put_content(path, good[: len(good) // 2])
    assert told(scrub(looked, tmp_path / "data", contents=True)) == {("damaged contents", path)}
    report = scrub(looked, tmp_path / "data", contents=True, repair=True)
    assert (report.repaired, report.left) == (1, 0)
    assert not looked.storage.exists(path)
    backlog.check(looked.database, looked.index)  # as servers and workers do
    looked.work()
    assert looked.storage.get_content(path) == good
    assert told(scrub(looked, tmp_path / "data", contents=True)) == set()


def test_a_scrub_tells_of_what_has_no_business_there(looked: Looked, tmp_path: Path) -> None:
    for path in ("layers/sha256/none/toc", "chains/a/notes"):
        looked.storage.put_content(path, b"")
    strays = {("stray object", "layers/sha256/none/toc"), ("stray object", "chains/a/notes")}
    assert told(scrub(looked, tmp_path / "data")) == strays
    assert scrub(looked, tmp_path / "data", repair=True).left == 0
    assert looked.derived() == ALL


def test_a_rebuilt_registry_knows_all_of_it_again(looked: Looked, tmp_path: Path) -> None:
    path = looked.database.path
    looked.database.close()
    Rebuild(looked.storage, path, HOUR, lambda progress: None).run()
    looked.database = Database(path)
    assert backlog.check(looked.database, looked.index)
    assert jobs.find(looked.database.reader(), "index-all", "") is not None
    looked.work()
    assert jobs.counts(looked.database.reader()) == (0, 0, 0)
    assert looked.derived() == ALL
    assert not backlog.check(looked.database, looked.index)


def test_a_backup_leaves_it_out_and_it_is_made_again_after_a_restore(looked: Looked, tmp_path: Path) -> None:
    back_up(looked, tmp_path / "backup")
    assert not (tmp_path / "backup" / "store" / "layers").exists()
    restore(tmp_path / "backup", tmp_path / "new")
    with Looked(tmp_path / "new") as new:
        assert new.derived() == []
        assert backlog.check(new.database, new.index)
        new.work()
        assert new.known() == {BASE, TOP, OTHER}
        assert new.derived() == ALL


def test_many_images_are_asked_for_bit_by_bit(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BATCH", 1)
    looked.database.write(backlog.forget)
    assert backlog.check(looked.database, looked.index)
    for _ in range(2):
        assert looked.database.write(backlog.advance) is True
    assert looked.database.write(backlog.advance) is False
    assert jobs.counts(looked.database.reader()).waiting == 3
    monkeypatch.setattr(backlog, "FEW", 2)
    assert looked.database.write(backlog.advance) is None  # a push that comes now waits for few
