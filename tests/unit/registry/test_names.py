"""The tree's names follow the database's, whoever writes at the same moment and whenever the process ends."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orlop.database import outbox
from orlop.database.connection import SqliteConnection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import ManifestUnknown
from orlop.domain.name import RepositoryName, Tag
from orlop.registry.names import Names
from orlop.storage.base import Buffer
from orlop.storage.layout import split_name
from orlop.storage.memory import MemoryStorage
from tests.unit.registry.house import CALLER, NAME, House
from tests.unit.registry.stepping import Stage

TAG = Tag.parse("latest")
TAG_PATH = "repositories/team/app/latest"

REMOVED: bytes | None = None


class VolatileStorage(MemoryStorage):
    """Steps at every change of a name, and forgets in a power cut what was not synced."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._durable: dict[str, bytes | None] = {}

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        if not path.startswith(self.repositories):
            return super().put_content(path, content)
        self._stage.step()
        self._durable.setdefault(path, REMOVED)
        return super().put_content(path, content, durable=durable)

    def remove(self, path: str) -> None:
        self._stage.step()
        super().remove(path)

    def sync(self, paths: Iterable[str]) -> None:
        self._stage.step()
        for path in paths:
            self._durable[path] = self._content(path)

    def cut_power(self) -> None:
        for path, content in self._durable.items():
            if content is not None:
                super().put_content(path, content)
            elif self._content(path) is not None:
                super().remove(path)

    def _content(self, path: str) -> bytes | None:
        try:
            return self.get_content(path)
        except FileNotFoundError:
            return None


class SteppedDatabase(Database):
    """Steps before every look at a row."""

    def __init__(self, path: Path, stage: Stage) -> None:
        super().__init__(path)
        self._stage = stage

    def reader(self) -> SqliteConnection:
        self._stage.step()
        return super().reader()


class Theatre(House):
    """A registry whose names can be written step by step."""

    def __init__(self, path: Path) -> None:
        self.stage = Stage()
        self.memory = VolatileStorage(self.stage)
        super().__init__(path, self.memory)
        self.stepped = SteppedDatabase(path, self.stage)
        self.images = [self.push_image() for _ in range(3)]
        found = {digest: self.manifests.find(CALLER, NAME, digest) for digest in self.images}
        self.contents = {digest: self.manifests.read(found[digest]) for digest in self.images}
        self.manifests.delete(CALLER, NAME, self.images.pop())
        self.reborn()

    def reborn(self) -> None:
        """What a new process does with what an earlier one left."""
        self.names = Names(self.storage, self.stepped)
        self.manifests._names = self.names
        self.names.drain(foreign=True)

    def pusher(self, digest: Digest) -> Callable[[], None]:
        return lambda: (self.push(self.contents[digest], TAG), None)[1]

    def deleter(self) -> Callable[[], None]:
        def delete() -> None:
            try:
                self.manifests.delete_tag(CALLER, NAME, TAG)
            except ManifestUnknown:
                return  # not yet there, or gone already

        return delete

    def manifest_deleter(self, digest: Digest) -> Callable[[], None]:
        def delete() -> None:
            try:
                self.manifests.delete(CALLER, NAME, digest)
            except ManifestUnknown:
                return

        return delete

    def close(self) -> None:
        self.stepped.close()
        super().close()


def assert_tree_follows(house: House) -> None:
    """Every name of the database is in the tree with its value, and no other name is there."""
    with house.database.snapshot() as connection:
        rows = connection.driver.execute(
            "SELECT r.name, t.name, m.digest FROM tags t JOIN repositories r ON r.id = t.repository_id"
            " JOIN manifests m ON m.id = t.manifest_id"
        ).fetchall()
        entries = connection.driver.execute(
            "SELECT r.name, m.digest, m.media_type FROM manifests m JOIN repositories r ON r.id = m.repository_id"
        ).fetchall()
    layout = house.storage
    expected = {layout.tag_path(*split_name(name), tag): digest for name, tag, digest in rows}
    expected |= {layout.manifest_entry_path(*split_name(name), Digest(digest)): kind for name, digest, kind in entries}
    found = {entry.path: house.storage.get_content(entry.path).decode() for entry in house.storage.walk("repositories")}
    assert found == expected


@pytest.fixture
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with Theatre(tmp_path_factory.mktemp("names") / "orlop.db") as theatre:
        yield theatre


WRITERS = st.lists(st.sampled_from(["push 0", "push 1", "delete tag", "delete 0", "delete 1"]), min_size=2, max_size=4)
# One drain at a time, as in a server: a second one would wait for the first.
ACTORS = st.one_of(WRITERS, WRITERS.map(lambda names: [*names, "drain"]))
CHOICES = st.lists(st.integers(0, 11), max_size=30)


def actors(theatre: Theatre, names: list[str]) -> list[Callable[[], object]]:
    first, second = theatre.images
    functions: dict[str, Callable[[], object]] = {
        "push 0": theatre.pusher(first),
        "push 1": theatre.pusher(second),
        "delete tag": theatre.deleter(),
        "delete 0": theatre.manifest_deleter(first),
        "delete 1": theatre.manifest_deleter(second),
        "drain": theatre.names.drain,
    }
    return [functions[name] for name in names]


@given(names=ACTORS, choices=CHOICES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_writers_of_one_name_never_leave_tree_and_database_apart(
    theatre: Theatre, names: list[str], choices: list[int]
) -> None:
    theatre.stage.play(actors(theatre, names), choices)
    assert_tree_follows(theatre)
    theatre.names.drain()
    assert outbox.size(theatre.database.reader()) == 0
    theatre.memory.cut_power()
    assert_tree_follows(theatre)


@given(names=ACTORS, choices=CHOICES, most=st.integers(0, 40), power=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_next_process_finishes_what_the_last_one_left(
    theatre: Theatre, names: list[str], choices: list[int], most: int, power: bool
) -> None:
    theatre.stage.play(actors(theatre, names), choices, most)
    if power:
        theatre.memory.cut_power()
    theatre.reborn()
    assert_tree_follows(theatre)
    assert outbox.size(theatre.database.reader()) == 0


@pytest.mark.parametrize("others", [[], ["push 1"], ["delete tag"], ["delete 0"]])
def test_a_power_cut_at_any_step_loses_no_name(theatre: Theatre, others: list[str]) -> None:
    for most in range(30):
        theatre.pusher(theatre.images[1])()
        theatre.names.drain()
        theatre.stage.play([theatre.pusher(theatre.images[0]), *actors(theatre, others), theatre.names.drain], [], most)
        theatre.memory.cut_power()
        theatre.reborn()
        assert_tree_follows(theatre)


def test_the_slow_writer_of_an_old_value_writes_the_new_one(theatre: Theatre) -> None:
    first, second = theatre.images
    # The first writer stops with the old value in its hand, and goes on when the second has long been done.
    slow, fast = theatre.pusher(first), theatre.pusher(second)
    for moves_before in range(12):
        theatre.stage.play([slow, fast], [0] * moves_before + [1] * 40)
        assert_tree_follows(theatre)


class FailingStorage(MemoryStorage):
    """A store on which no name can be written while `broken`."""

    broken = False

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        if self.broken and path.startswith(self.repositories):
            raise OSError(28, "No space left on device")
        return super().put_content(path, content, durable=durable)


def test_a_name_that_cannot_be_written_holds_and_follows_later(tmp_path: Path) -> None:
    storage = FailingStorage()
    with House(tmp_path / "orlop.db", storage) as house:
        storage.broken = True
        digest = house.push_image(TAG)
        assert house.tag(TAG) == digest
        house.names.drain()
        assert not storage.exists(TAG_PATH)
        storage.broken = False
        house.names.drain()
        assert storage.get_content(TAG_PATH) == digest.encode()
        assert_tree_follows(house)
        assert outbox.size(house.database.reader()) == 0


class ListingStorage(MemoryStorage):
    """Notes what is removed."""

    def __init__(self) -> None:
        super().__init__()
        self.removed: list[str] = []

    def remove(self, path: str) -> None:
        self.removed.append(path)
        super().remove(path)


def test_a_manifest_goes_from_the_tree_after_its_tags(tmp_path: Path) -> None:
    """Else a kill in between leaves tags that name nothing to a rebuild."""
    storage = ListingStorage()
    with House(tmp_path / "orlop.db", storage) as house:
        for number in range(8):  # by chance they would come in this order now and then
            digest = house.push_image(*[Tag.parse(f"t{number}-{tag}") for tag in range(4)])
            storage.removed.clear()
            house.manifests.delete(CALLER, NAME, digest)
            assert len(storage.removed) == 5
            assert storage.removed[-1].endswith(digest.hex)
            house.names.drain()


def test_names_of_every_form_have_their_own_objects(house: House) -> None:
    for number, name in enumerate(["a", "a/b", "a/b/c", "library/a"]):
        for tag in ("latest", "_", "_manifests", "_images_list", f"v{number}"):
            house.push_image(tag, name=RepositoryName.parse(name))
    assert_tree_follows(house)
