"""The composition root: everything that a registry is made of, put together by hand."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from orlop import telemetry
from orlop.auth.throttle import origin
from orlop.config import Settings
from orlop.contents import backlog
from orlop.contents.build_steps import BuildSteps
from orlop.contents.comparison import Comparison
from orlop.contents.cost import Costs
from orlop.contents.files import Files
from orlop.contents.find import Find
from orlop.contents.images import Images
from orlop.contents.index import Index
from orlop.contents.inventory import Inventory
from orlop.contents.label_search import LabelSearch
from orlop.contents.name_search import NameSearch
from orlop.contents.scope import Searcher
from orlop.contents.waste import Wastes
from orlop.database.engine import Database
from orlop.database.upgrade import prepare
from orlop.domain.errors import OrlopError, StoreRefused
from orlop.maintenance import identity
from orlop.maintenance.clock import Clock
from orlop.maintenance.collection import Collection, Options
from orlop.maintenance.reasons import Reasons
from orlop.registry.audit import Audit
from orlop.registry.blobs import Blobs
from orlop.registry.content import Content
from orlop.registry.details import Details
from orlop.registry.manifests import Manifests
from orlop.registry.names import Names
from orlop.registry.pulls import Pulls
from orlop.registry.referrers import Referrers
from orlop.registry.refusals import Refusals
from orlop.registry.repositories import Repositories
from orlop.registry.space import Room
from orlop.registry.status import Status
from orlop.registry.tags import Tags
from orlop.registry.uploads import Uploads
from orlop.registry.v1 import V1
from orlop.storage.base import Storage
from orlop.storage.location import open_storage
from orlop.storage.metered import MeteredStorage

if TYPE_CHECKING:
    from orlop.auth.access import Access
    from orlop.contents.v1_documents import V1Documents
    from orlop.domain.caller import Caller
    from orlop.maintenance.imports.docker_registry_v1 import DockerRegistryV1

log = structlog.get_logger("orlop")


class App:
    """One open registry: its store, its database, and what clients may ask of them."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        database: Database,
        *,
        access_is_new: bool = False,
        index: Index | None = None,
    ) -> None:
        """`access_is_new`: the registry never had accounts before; `index`: what is known of the contents of images."""
        limits = settings.limits
        lease = milliseconds(limits.lease)
        self.settings = settings
        self.access_is_new = access_is_new
        self.storage = storage
        self.database = database
        self.index = index
        """None where nobody looks into images, or it cannot be opened."""
        self.content = Content(storage, database)
        self.names = Names(storage, database)
        self.room = Room(storage, _floor(settings, storage))
        self.blobs = Blobs(self.content, lease)
        self.uploads = Uploads(self.content, self.room, lifetime=milliseconds(limits.upload_lifetime), lease=lease)
        self.manifests = Manifests(
            self.content,
            self.names,
            limit=limits.manifest_size,
            lease=lease,
            sparse=limits.sparse,
            contents=settings.contents.enabled,
        )
        self.referrers = Referrers(database, self.manifests)
        self.repositories = Repositories(database, self.names)
        self.tags = Tags(database)
        self.images = Images(database, index, self.content.read)
        self.files = Files(storage, self.images)
        self.comparison = Comparison(self.images, self.files)
        self.wastes = Wastes(self.images)
        self.costs = Costs(self.images)
        self.searcher = Searcher(self.images)
        self.find = Find(self.searcher, BuildSteps(self.content.read))
        self.inventory = Inventory(self.images, self.searcher)
        self.label_search = LabelSearch(self.searcher)
        self.name_search = NameSearch(database)
        self.details = Details(self.content, self.manifests, self.referrers)
        self.status = Status(storage, database, self.room)
        self.pulls = Pulls(database)
        self.v1 = V1(self.content, self.names, self.uploads, self.manifests, lease=lease, platform=settings.v1.platform)
        self.v1_documents = _v1_documents(self.content, index)
        self.clock = Clock(database, lease)
        self.collection = _collection(settings, self.content, self.names, self.uploads, self.clock, index)
        self.reasons = Reasons(database, settings.retention)
        self.refusals = Refusals(database, origin)
        self.audit = Audit(database, settings.audit.entries)
        self.access = _access(settings, database)


@contextlib.contextmanager
def open_app(settings: Settings) -> Iterator[App]:
    """Opens the registry that the settings describe, and closes it after the block.

    StoreRefused: it cannot be served as it is; the message names the remedy.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(data_lock(settings))
        driver = open_storage(settings.storage_url, allow_network_filesystem=settings.storage.allow_network_filesystem)
        stack.callback(driver.close)
        storage = MeteredStorage(driver, telemetry.note_storage_call)
        path = stack.enter_context(database_path(settings))
        if not path.exists() or not path.stat().st_size:
            identity.check_unused(storage)
        prepare(path)
        database = Database(path)
        stack.callback(database.close)
        identity.check(storage, database)
        had_accounts = identity.had_accounts(storage, database)
        _check_mode(settings, storage, had_accounts=had_accounts)
        index = stack.enter_context(_index(settings, database))
        app = App(settings, storage, database, access_is_new=not had_accounts, index=index)
        _catch_up(app)
        with contextlib.suppress(OSError, OrlopError):
            app.clock.now()  # seen before the first promise is made, so that a clock that is set later is noticed
        yield app
        _catch_up(app)


def _v1_documents(content: Content, index: Index | None) -> "V1Documents | None":
    """What v1 tells of the files of images; None where nobody looks into them."""
    if index is None:
        return None
    # Loaded only where it is needed.
    from orlop.contents.documents import Documents
    from orlop.contents.v1_documents import V1Documents

    storage, database = content.storage, content.database
    return V1Documents(storage, database, index, Documents(storage, database, index, content.read))


@contextlib.contextmanager
def _index(settings: Settings, database: Database) -> Iterator[Index | None]:
    """What is known of images. It is in nobody's way: where it cannot be opened the registry goes on without."""
    index = None
    try:
        if settings.contents.enabled:
            index = Index(index_path(database))
            backlog.check(database, index)
        else:
            backlog.forget_where_off(database)
    except (OSError, OrlopError) as error:
        log.error("what is inside images cannot be told", reason=str(error))
    try:
        yield index
    finally:
        if index is not None:
            index.close()


def index_path(database: Database) -> Path:
    """Of the file with what is known of images."""
    return database.path.with_name("contents.db")


@contextlib.contextmanager
def collection_of(settings: Settings, storage: Storage, database: Database) -> Iterator[Collection]:
    """Collection on a store that a server may be running on."""
    limits = settings.limits
    lease = milliseconds(limits.lease)
    content = Content(storage, database)
    uploads = Uploads(content, Room(storage, 0), lifetime=milliseconds(limits.upload_lifetime), lease=lease)
    with _index(settings, database) as index:
        yield _collection(settings, content, Names(storage, database), uploads, Clock(database, lease), index)


def takeover_of(settings: Settings, storage: Storage, database: Database, caller: "Caller") -> "DockerRegistryV1":
    """The import of an old registry, into a store that a server may be running on."""
    from orlop.maintenance.imports.docker_registry_v1 import DockerRegistryV1

    limits = settings.limits
    lease = milliseconds(limits.lease)
    content, names = Content(storage, database), Names(storage, database)
    room = Room(storage, _floor(settings, storage))
    uploads = Uploads(content, room, lifetime=milliseconds(limits.upload_lifetime), lease=lease)
    pushed = Manifests(
        content,
        names,
        limit=limits.manifest_size,
        lease=lease,
        sparse=limits.sparse,
        contents=settings.contents.enabled,
    )
    v1 = V1(content, names, uploads, pushed, lease=lease, platform=settings.v1.platform)
    return DockerRegistryV1(v1, content, names, uploads, caller, lease=lease)


def _collection(
    settings: Settings, content: Content, names: Names, uploads: Uploads, clock: Clock, index: Index | None
) -> Collection:
    lease = milliseconds(settings.limits.lease)
    options = Options(Path(settings.data), lease, settings.gc.rate, settings.retention)
    contents = None
    if index is not None:
        from orlop.maintenance.contents_sweep import ContentsSweep

        contents = ContentsSweep(content.storage, content.database, index, content.read)
    return Collection(content.storage, content.database, names, uploads, clock, options, contents)


def _access(settings: Settings, database: Database) -> "Access | None":
    if settings.access.mode == "open":
        return None
    # Loaded only where it is needed: what it signs and hashes with takes 15 MiB.
    from orlop.auth.access import Access
    from orlop.auth.access import Options as AccessOptions

    access = settings.access
    options = AccessOptions(
        rules=access.rules,
        htpasswd=access.htpasswd,
        service=settings.service,
        lifetime=access.token_lifetime,
        failures=settings.limits.failed_sign_ins,
    )
    return Access(database, options)


def _check_mode(settings: Settings, storage: Storage, *, had_accounts: bool) -> None:
    """StoreRefused where accounts once decided, and now everyone would.

    The tree remembers it too: a database that was lost or rebuilt opens nothing.
    """
    if settings.access.mode == "accounts":
        identity.note_accounts(storage)
    elif had_accounts and not settings.allow_anonymous_push:
        raise StoreRefused(
            "this registry has had accounts, and access.mode = open lets everyone in: set access.mode to accounts, or"
            " pass --allow-anonymous-push if that is meant"
        )


def _catch_up(app: App) -> None:
    """What need not be done in a request. A full disk keeps nobody from starting or stopping: the database knows what
    is left to do."""
    for chore in (
        app.pulls.flush,
        app.access.sign_in.flush if app.access is not None else lambda: None,
        lambda: app.names.drain(foreign=True),
        lambda: identity.mark(app.storage, app.database),
    ):
        try:
            chore()
        except (OSError, OrlopError) as error:
            log.warning("something is left for the next start", reason=str(error))


@contextlib.contextmanager
def data_lock(settings: Settings) -> Iterator[None]:
    """The data folder, for one server alone."""
    folder = Path(settings.data)
    lock = folder / "orlop.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreRefused(
            f"the data folder {folder} cannot be written ({error.strerror}): "
            "choose another with --data, or change its owner"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise StoreRefused(
                f"another server (process {owner}) runs on {folder}: stop it, or choose another folder with --data"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def database_path(settings: Settings) -> Iterator[Path]:
    """The SQLite file; a temporary one beside a store that forgets."""
    path = settings.database_url.removeprefix("sqlite:")
    if path:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="orlop-") as folder:
        yield Path(folder) / "orlop.db"


def milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _floor(settings: Settings, storage: Storage) -> int:
    space = storage.free_space() if storage.capabilities.free_space else None
    return settings.storage.free_floor.of(space.total) if space is not None else 0
