"""Takes over the images of a docker-registry 0.6 to 0.9.1, as if its clients pushed them over v1 once more.

Every layer is read and compared with its checksums. Its file is shared by a hard link where that can be, and copied
else; nothing in the old folder is changed. What is there already stays as it is, so that a second run does nothing, and
one that was stopped goes on.
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from orlop.database import blobs, leases, manifests, repositories, v1_images
from orlop.database.connection import Connection
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import OrlopError, StorageFull, Unavailable
from orlop.domain.name import RepositoryName, Tag
from orlop.domain.v1.checksums import PAYLOAD, Checksum
from orlop.domain.v1.ids import ImageId
from orlop.maintenance.imports.old_registry import OldImage
from orlop.maintenance.imports.plan import Plan, Work
from orlop.registry.content import Content
from orlop.registry.names import Names
from orlop.registry.uploads import Uploads
from orlop.registry.v1 import V1
from orlop.registry.v1.layers import Facts
from orlop.registry.v1.lists import MOST, Listed
from orlop.steps import perform
from orlop.storage.local import LocalStorage


class Refused(Exception):
    """Why an image or a tag was not taken over."""


class Layer(NamedTuple):
    """One that was taken over already, for another repository."""

    digest: Digest
    size: int
    facts: Facts
    shown: Digest | None


class Imported(msgspec.Struct):
    """What was taken over, or would be."""

    dry_run: bool
    repositories: int = 0
    """In which something was."""
    images: int = 0
    tags: int = 0
    bytes: int = 0
    """Of layers."""
    linked: int = 0
    """Layers that share their bytes with the old registry's."""
    unchanged: int = 0
    """Images that were there already."""
    untagged: int = 0
    """Images that no tag reaches here: they go when their lease is over."""
    left: int = 0
    """Images of the old registry that no tag reaches there: they were left."""
    problems: list[str] = []


class DockerRegistryV1:
    """Takes over what plans say."""

    def __init__(self, v1: V1, content: Content, names: Names, uploads: Uploads, caller: Caller, *, lease: int) -> None:
        """`caller` is who did it, in the audit log; `lease` in milliseconds."""
        self._v1 = v1
        self._content = content
        self._database = content.database
        self._storage = content.storage
        self._names = names
        self._uploads = uploads
        self._caller = caller
        self._lease = lease
        self._layers: dict[Path, Layer] = {}
        self._done = 0
        self._summary = Imported(dry_run=False)

    def run(self, plan: Plan, tell: Callable[[int], None], *, dry_run: bool = False) -> Imported:
        """Takes everything over; `tell` is told how many images were dealt with. StorageFull: what was taken over
        until then stays."""
        self._summary = Imported(dry_run=dry_run, left=plan.unreached(), problems=list(plan.problems))
        self._done = 0
        for work in plan.work:
            self._repository(work, tell, dry_run)
        if not dry_run:
            self._names.drain()
        return self._summary

    def _repository(self, work: Work, tell: Callable[[int], None], dry_run: bool) -> None:
        summary = self._summary
        before = summary.images, summary.tags
        waiting = [image for image in work.images if not self._is_there(work.name, image)]
        if not dry_run:
            self._announce(work.name, waiting)
        refused: dict[str, str] = {}
        new = {image.id for image in waiting}
        for image in work.images:
            try:
                if image.parent in refused:
                    raise Refused(f"it is on {image.parent}, which was left out")
                if image.id in new:
                    self._take(work.name, image, dry_run)
                else:
                    self._demand_same(work.name, image)
                    summary.unchanged += 1
            except (StorageFull, Unavailable):
                raise
            except (Refused, OrlopError, OSError) as error:
                refused[image.id] = str(error)
                summary.problems.append(f"{work.name}: image {image.id}: {error}")
            self._done += 1
            tell(self._done)
        tagged = self._tag_all(work, refused, dry_run)
        summary.untagged += len(_untagged(work.images, tagged, refused) & new)
        summary.repositories += (summary.images, summary.tags) != before

    def _announce(self, name: RepositoryName, images: list[OldImage]) -> None:
        for start in range(0, len(images), MOST):
            self._v1.lists.announce(
                self._caller, name, [Listed(image.id, None) for image in images[start : start + MOST]]
            )

    def _is_there(self, name: RepositoryName, image: OldImage) -> bool:
        known = v1_images.find_in(self._database.reader(), name, image.id)
        return known is not None and known.state == "complete"

    def _demand_same(self, name: RepositoryName, image: OldImage) -> None:
        known = v1_images.find_in(self._database.reader(), name, image.id)
        if known is not None and (known.document.encode() != image.document or known.layer_size != image.size):
            raise Refused("the registry has another image with this id, which stays")

    def _take(self, name: RepositoryName, image: OldImage, dry_run: bool) -> None:
        if not dry_run:
            self._v1.images.begin(self._caller, name, image.id, image.document)
            begun = self._v1.images.awaiting(self._caller, name, image.id)
            layer = self._layers.get(image.layer)
            if layer is None:
                digest, size = self._bring(name, image)
                self._v1.images.take_blob(self._caller, name, begun, digest, size)
            else:
                self._mount(name, layer)
                known = (layer.facts, layer.shown)
                self._v1.images.take_blob(self._caller, name, begun, layer.digest, layer.size, known)
            self._complete(name, image)
        self._summary.images += 1
        self._summary.bytes += image.size

    def _complete(self, name: RepositoryName, image: OldImage) -> None:
        row = v1_images.find_in(self._database.reader(), name, image.id)
        if row is None or row.layer_facts is None or row.layer_digest is None:
            raise Refused("somebody else is pushing it: run this again")
        facts = msgspec.json.decode(row.layer_facts, type=Facts)
        self._v1.images.complete(self._caller, name, image.id, _right(image.checksums, facts))
        shown = Digest(row.shown_digest) if row.shown_digest is not None else None
        self._layers[image.layer] = Layer(Digest(row.layer_digest), image.size, facts, shown)

    def _bring(self, name: RepositoryName, image: OldImage) -> tuple[Digest, int]:
        """Makes the layer a blob of the repository."""
        upload_id = perform(self._uploads.start(self._caller, name))
        path = self._storage.upload_path(upload_id)
        try:
            if self._link(image.layer, path):
                self._summary.linked += 1
            else:
                with self._uploads.room.reserve(image.size), image.layer.open("rb") as file:
                    self._storage.stream_write(path, file)
            return self._uploads.finish_object(self._caller, name, upload_id)
        except BaseException:
            self._uploads.drop(upload_id)
            raise

    def _link(self, file: Path, path: str) -> bool:
        """Shares the file with an object of the store; False where that cannot be.

        Only what is this user's own: a server would have no right to what belongs to another.
        """
        if not isinstance(self._storage, LocalStorage):
            return False
        target = Path(self._storage.root) / path
        try:
            descriptor = os.open(file, os.O_RDONLY)
            try:
                known = os.fstat(descriptor)
                if not stat.S_ISREG(known.st_mode) or known.st_uid != os.geteuid():
                    return False
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return True

    def _mount(self, name: RepositoryName, layer: Layer) -> None:
        """Puts a layer into another repository."""

        def unit(connection: Connection) -> None:
            repository_id = repositories.ensure(connection, name)
            for digest in filter(None, (layer.digest, layer.shown)):
                blobs.link(connection, repository_id, digest)
                leases.renew(connection, repository_id, digest, self._lease)

        self._database.write(unit)

    def _tag_all(self, work: Work, refused: dict[str, str], dry_run: bool) -> set[str]:
        """Sets the tags; the images that tags name then."""
        named = set()
        for tag, image_id in work.tags.items():
            try:
                if image_id in refused:
                    raise Refused(f"image {image_id} was left out")
                self._tag(work.name, tag, image_id, dry_run)
                named.add(str(image_id))
            except (StorageFull, Unavailable):
                raise
            except (Refused, OrlopError) as error:
                self._summary.problems.append(f"{work.name}:{tag}: {error}")
        return named

    def _tag(self, name: RepositoryName, tag: Tag, image_id: ImageId, dry_run: bool) -> None:
        held = manifests.by_tag(self._database.reader(), name, tag)
        if held is not None:
            image = v1_images.find_in(self._database.reader(), name, image_id)
            if image is None or image.manifest_digest != held.digest:
                raise Refused("the registry has this tag on another image, which stays")
            return
        if not dry_run:
            self._v1.tags.point(self._caller, name, tag, image_id)
        self._summary.tags += 1


def _right(sums: Iterable[Checksum], facts: Facts) -> list[Checksum]:
    """Those checksums that the layer has. Refused: it is not the one that was pushed.

    The checksum of all bytes decides. Tarsums count where it is not there: registries and clients have computed them in
    more than one way.
    """
    found = list(sums)
    right = [checksum for checksum in found if str(checksum) in (facts.payload, *facts.tarsums.values())]
    decisive = [checksum for checksum in found if checksum.label == PAYLOAD] or found
    if decisive and not any(checksum in right for checksum in decisive):
        raise Refused("its checksum is not that of its json and its layer")
    return right


def _untagged(images: list[OldImage], tagged: set[str], refused: dict[str, str]) -> set[str]:
    """Images that no tag reaches."""
    reached: set[str] = set()
    for image in reversed(images):
        if image.id in tagged or image.id in reached:
            reached.add(image.id)
            if image.parent is not None:
                reached.add(image.parent)
    return {str(image.id) for image in images} - reached - refused.keys()
