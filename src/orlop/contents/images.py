"""The image that a reference names: its layers, the steps that made them, and whether a worker has looked into them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from orlop.contents import platforms
from orlop.contents.index import Index
from orlop.contents.layers import LayerState, layer_states
from orlop.contents.overlay import Overlay
from orlop.contents.platforms import Choice
from orlop.database import blobs, jobs, manifests, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.manifests import Found
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import (
    BlobUnknown,
    ContentsPending,
    ContentsUnindexable,
    ManifestUnknown,
    NotAnImage,
    RepositoryUnknown,
    TagUnknown,
    Unavailable,
)
from orlop.domain.image_config import ImageConfig, Step, layer_steps, parse_image_config
from orlop.domain.manifest import IMAGE_CONFIGS, INDEXES, Manifest, parse_manifest
from orlop.domain.name import RepositoryName, Tag

LARGEST_CONFIG = 1 << 20
"""Bytes; a larger one is no config of an image."""
DEEPEST = 4
"""Indexes in indexes that are looked into."""

PENDING, READY, UNINDEXABLE, NONE = "pending", "ready", "unindexable", "none"


class Layer(NamedTuple):
    """One layer of an image."""

    digest: Digest
    size: int
    media_type: str
    foreign: bool
    step: Step | None
    """Of the image's history; None where that does not tell."""


class State(NamedTuple):
    """Whether an image can be looked into."""

    name: str
    """`pending`, `ready` or `unindexable`; `none`: these files are no file system, or nobody looks."""
    reason: str = ""
    """Where it is not `ready`."""
    known: tuple[LayerState, ...] = ()
    """Of a ready image: what is known of its layers, the base first."""


class Image(NamedTuple):
    """An image manifest that a repository holds. `layers`: the base first."""

    repository: RepositoryName
    reference: str
    """As it was asked for."""
    digest: Digest
    """Of the image's own manifest, also where the reference names an index."""
    index_digest: Digest | None
    """Of the index, where the reference names one."""
    size: int
    """Bytes of the manifest."""
    manifest: Manifest
    platform: str
    """`os/architecture[/variant]`; empty where neither index nor config tells."""
    config: ImageConfig | None
    layers: tuple[Layer, ...]
    state: State

    @property
    def name(self) -> str:
        """As a person writes it."""
        return f"{self.repository}{'@' if ':' in self.reference else ':'}{self.reference}"


class Images:
    """Finds images. Who may see a repository, its callers decide before."""

    def __init__(self, database: Database, index: Index | None, read: Callable[[Digest], bytes]) -> None:
        """`index`: None where nobody looks into images; `read`: the content of a manifest or config, or BlobUnknown."""
        self.database = database
        self.index = index
        self._read = read

    def find(self, caller: Caller, name: RepositoryName, reference: Tag | Digest, platform: str = "") -> Image:
        """The image under a tag or a digest; of an index the one for `platform`.

        By default that for linux/amd64, else the first. RepositoryUnknown, TagUnknown, ManifestUnknown, NotAnImage.
        """
        with self.database.snapshot() as connection:
            found = _found(connection, name, reference)
            chosen = self._choose(connection, name, found, platform)
            image = self._image(connection, name, reference, chosen, platform)
        return image._replace(index_digest=Digest(found.digest) if chosen.found.id != found.id else None)

    def state_of(self, manifest: Manifest) -> State:
        """Whether what a manifest names can be looked into."""
        if manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
            return State(NONE, "an index names images" if manifest.is_index else NotAnImage.message)
        foreign = next((layer for layer in manifest.layers if layer.foreign), None)
        if foreign is not None:
            return State(UNINDEXABLE, f"layer {foreign.digest} is kept elsewhere")
        if self.index is None:
            return State(NONE, "nobody looks into images here (contents.enabled)")
        try:
            with self.index.reading() as connection:
                known = layer_states(connection, [layer.digest for layer in manifest.layers])
        except (ContentsPending, Unavailable) as error:
            return State(PENDING, str(error))
        refused = next((layer for layer in known if layer is not None and layer.state == UNINDEXABLE), None)
        if refused is not None:
            return State(UNINDEXABLE, f"layer {refused.digest}: {refused.reason}")
        ready = tuple(layer for layer in known if layer is not None)
        if len(ready) == len(known):
            return State(READY, "", ready)
        return State(PENDING, f"{len(known) - len(ready)} of {len(known)} layers are still to be looked into")

    def _state(self, connection: Connection, name: RepositoryName, manifest: Manifest) -> State:
        # Where manifests are taken before their layers, one may name what only another repository has: whoever reads
        # this one learns nothing of that.
        for layer in manifest.layers:
            if not layer.foreign and blobs.held(connection, name, layer.digest) is None:
                return State(PENDING, f"layer {layer.digest} has not been pushed")
        return self.state_of(manifest)

    @contextlib.contextmanager
    def view(self, *images: Image) -> Iterator[list[Overlay]]:
        """What the images hold, in one snapshot; used by this thread alone, in this block.

        ContentsPending, ContentsUnindexable: it cannot be told, yet or ever.
        """
        for image in images:
            self._demand_ready(image)
        assert self.index is not None
        with self.index.reading() as connection:
            views = []
            for image in images:
                known = layer_states(connection, [layer.digest for layer in image.layers])
                if any(layer is None or layer.state != READY for layer in known):  # thrown away in this moment
                    raise ContentsPending
                views.append(Overlay(connection, [layer.id for layer in known if layer is not None]))
            yield views

    def _demand_ready(self, image: Image) -> None:
        state = image.state
        if state.name == READY:
            return
        if state.name != PENDING:
            raise ContentsUnindexable(
                f"the contents of {image.name} cannot be read: {state.reason}", detail={"reason": state.reason}
            )
        self._ask(image)
        raise ContentsPending(
            f"the contents of {image.name} are not known yet ({state.reason}): try again in a moment",
            detail={"reason": state.reason},
        )

    def _ask(self, image: Image) -> None:
        """Asks for what nobody has asked for, as when contents.db was thrown away. ContentsUnindexable: given up."""
        subject = f"{image.repository} {image.digest}"
        record = jobs.find(self.database.reader(), "image", subject)
        if record is None:
            self.database.write(lambda connection: jobs.enqueue(connection, "image", subject))
        elif record.state == "failed":
            raise ContentsUnindexable(
                f"the contents of {image.name} cannot be read: {record.error}", detail={"reason": record.error}
            )

    def _choose(self, connection: Connection, name: RepositoryName, found: Found, platform: str) -> "_Chosen":
        manifest = self._manifest(found)
        if not manifest.is_index:
            return _Chosen(found, manifest, "")
        choices = list(self._choices(connection, name, found, manifest))
        choice = platforms.choose(choices, platform)
        if choice is None:
            told = ", ".join(sorted({choice.platform for choice in choices if choice.platform}))
            if platform and choices:
                raise ManifestUnknown(
                    f"the index has no image for {platform}; it has {told or 'images for unknown platforms'}",
                    detail={"platform": platform, "known": told.split(", ")},
                )
            raise NotAnImage(f"{found.digest} is an index without an image that {name} holds")
        child = manifests.by_digest(connection, name, choice.digest)
        if child is None or child.lost:
            raise ManifestUnknown(f"{name} does not hold {choice.digest}, which its index names")
        return _Chosen(child, self._manifest(child), choice.platform)

    def _choices(
        self, connection: Connection, name: RepositoryName, found: Found, manifest: Manifest
    ) -> Iterator[Choice]:
        """The images that an index and the indexes in it list and the repository holds."""
        level, seen = [(found, manifest)], {found.digest}
        for depth in range(DEEPEST):
            inner = []
            for index, document in level:
                listed = manifests.children(connection, index.id)
                for child, held in zip(document.children, listed, strict=True):
                    # Each once: indexes may name one another's children over and over.
                    if held.content_size is None or child.digest in seen:
                        continue
                    seen.add(child.digest)
                    if held.artifact_type in IMAGE_CONFIGS:
                        yield Choice(platforms.name_of(child.platform or {}), child.digest)
                    elif child.media_type in INDEXES and depth < DEEPEST - 1:
                        inner.append(child.digest)
            level = [
                (below, self._manifest(below))
                for digest in inner
                if (below := manifests.by_digest(connection, name, digest)) is not None and not below.lost
            ]

    def _image(
        self, connection: Connection, name: RepositoryName, reference: str, chosen: "_Chosen", platform: str
    ) -> Image:
        manifest = chosen.manifest
        if manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
            raise NotAnImage(f"{name} has {manifest.artifact_type or manifest.media_type} there, which is no image")
        config = self.config(connection, name, manifest)
        told = chosen.platform or (platforms.name_of(config._asdict()) if config else "")
        if platform and not platforms.fits(told, platform):
            raise ManifestUnknown(
                f"the image is for {told or 'an unknown platform'}, not for {platform}",
                detail={"platform": platform, "known": [told] if told else []},
            )
        return Image(
            repository=name,
            reference=reference,
            digest=Digest(chosen.found.digest),
            index_digest=None,
            size=chosen.found.size,
            manifest=manifest,
            platform=told,
            config=config,
            layers=_layers(manifest, config),
            state=self._state(connection, name, manifest),
        )

    def config(self, connection: Connection, name: RepositoryName, manifest: Manifest) -> ImageConfig | None:
        """None where it cannot be had, or is none."""
        content = self.config_content(connection, name, manifest)
        return None if content is None else parse_image_config(content)

    def config_content(self, connection: Connection, name: RepositoryName, manifest: Manifest) -> bytes | None:
        """The config as it was pushed; None where it cannot be had."""
        assert manifest.config is not None
        held = blobs.held(connection, name, manifest.config.digest)
        if held is None or held.size > LARGEST_CONFIG:
            return None
        try:
            return self._read(manifest.config.digest)
        except BlobUnknown:
            return None

    def _manifest(self, found: Found) -> Manifest:
        try:
            return parse_manifest(self._read(Digest(found.digest)), found.media_type)
        except BlobUnknown as error:
            raise ManifestUnknown(str(error), detail=error.detail) from error


class _Chosen(NamedTuple):
    found: Found
    manifest: Manifest
    platform: str
    """As the index tells it."""


def _found(connection: Connection, name: RepositoryName, reference: Tag | Digest) -> Found:
    if repositories.find_known(connection, name) is None:
        raise RepositoryUnknown(f"the registry has no repository {name}", detail={"name": name})
    if isinstance(reference, Tag):
        found = manifests.by_tag(connection, name, reference)
        if found is None:
            raise TagUnknown(f"{name} has no tag {reference}", detail={"name": name, "tag": reference})
    else:
        found = manifests.by_digest(connection, name, reference)
    if found is None or found.lost:
        raise ManifestUnknown(f"{name} has no manifest {reference}", detail={"name": name, "reference": reference})
    return found


def _layers(manifest: Manifest, config: ImageConfig | None) -> tuple[Layer, ...]:
    steps: dict[int, Step] = {}
    if config is not None:
        numbers = layer_steps(config, len(manifest.layers))
        steps = {number: step for number, step in zip(numbers, config.history, strict=True) if number is not None}
    return tuple(
        Layer(layer.digest, layer.size, layer.media_type, layer.foreign, steps.get(number))
        for number, layer in enumerate(manifest.layers)
    )
