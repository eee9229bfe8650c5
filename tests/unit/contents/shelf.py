"""Images that can be searched, told by the entries of their layers; and whoever searches them."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from orlop.contents import labels
from orlop.contents.build_steps import BuildSteps
from orlop.contents.entry import Entry
from orlop.contents.find import FileHit, Find
from orlop.contents.images import Images
from orlop.contents.index import Index
from orlop.contents.inventory import Inventory, PackageHit
from orlop.contents.label_search import LabelHit, LabelSearch
from orlop.contents.loading import load
from orlop.contents.name_search import NameSearch
from orlop.contents.packages.package import Package
from orlop.contents.scope import Search, Searcher
from orlop.domain.caller import Authority, Caller
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName
from tests.protocol.content import OCI_CONFIG, OCI_INDEX, OCI_LAYER, descriptor, encode, image, index
from tests.unit.contents.chains_of_layers import Facts
from tests.unit.registry.house import CALLER, House

_numbers = itertools.count(1)

ALL = CALLER
"""A caller who may read everything."""


class _Some(Authority):
    __slots__ = ("_readable",)

    def __init__(self, readable: str) -> None:
        self._readable = readable

    @property
    def readable(self) -> str:
        return self._readable


def reader_of(*names: str) -> Caller:
    """A caller who may read these repositories alone."""
    return Caller(account="ann", authority=_Some(f"^(?:{'|'.join(names)})$"))


class Shelf:
    def __init__(self, path: Path, *, sparse: bool = False) -> None:
        self.house = House(path / "orlop.db", sparse=sparse)
        self.index = Index(path / "contents.db")
        self.images = Images(self.house.database, self.index, self.house.content.read)
        self.searcher = Searcher(self.images)
        self.finder = Find(self.searcher, BuildSteps(self.house.content.read))
        self.inventory = Inventory(self.images, self.searcher)
        self.label_search = LabelSearch(self.searcher)
        self.name_search = NameSearch(self.house.database)

    def layer(self, *entries: Entry, packages: Iterable[Package] = (), known: bool = True) -> bytes:
        """The bytes of a new layer, with these entries."""
        content = b"layer %d" % next(_numbers)
        if known:
            facts = Facts(entries=len(entries))
            load(self.index, Digest.of(content), facts, iter(entries), iter(packages))
        return content

    def push(
        self,
        name: str,
        tag: str,
        *layers: bytes,
        steps: Sequence[str] = (),
        labelled: dict[str, str] | None = None,
        platform: str = "linux/amd64",
        held: bool = True,
        **more: Any,
    ) -> Digest:
        """An image, under a tag unless that is empty. `held`: false pushes the manifest before its layers."""
        repository = RepositoryName.parse(name)
        system, _, architecture = platform.partition("/")
        config = encode(
            {
                "os": system,
                "architecture": architecture,
                "config": {"Labels": labelled or {}},
                "history": [{"created_by": step} for step in steps],
                "number": next(_numbers),
            }
        )
        for content in (config, *(layers if held else ())):
            self.house.push_blob(content, repository)
        manifest = image(descriptor(config, OCI_CONFIG), [descriptor(layer, OCI_LAYER) for layer in layers], **more)
        tags = (tag,) if tag else ()
        digest = self.house.push(encode(manifest), *tags, name=repository).digest
        noted = labels.of(labelled or {}, more.get("annotations", {}))
        self.index.write(lambda connection: labels.save(connection, digest, noted))
        return digest

    def push_index(self, name: str, tag: str, **children: Digest) -> None:
        repository = RepositoryName.parse(name)
        described = []
        for architecture, digest in children.items():
            content = self.house.content.read(digest)
            platform = {"os": "linux", "architecture": architecture}
            described.append(descriptor(content, "application/vnd.oci.image.manifest.v1+json", platform=platform))
        self.house.push(encode(index(described, mediaType=OCI_INDEX)), tag, name=repository, media_type=OCI_INDEX)

    def digest_of(self, content: bytes) -> str:
        return str(Digest.of(content))

    def files(self, text: str, caller: Caller = ALL, *, most: int = 50, within: str = "") -> list[FileHit]:
        """The hits of all pages."""
        return list(self._all(self.finder.files, text, caller, most, within))

    def paths(self, text: str, caller: Caller = ALL, **more: Any) -> list[str]:
        return sorted(hit.path.decode(errors="replace") for hit in self.files(text, caller, **more))

    def where(self, text: str, caller: Caller = ALL) -> dict[str, list[str]]:
        """The images of each path."""
        return {hit.path.decode(): [named.name for named in hit.shown.images] for hit in self.files(text, caller)}

    def packages(self, text: str, caller: Caller = ALL, *, most: int = 50) -> list[PackageHit]:
        return list(self._all(self.inventory.search, text, caller, most, ""))

    def labels(self, text: str, caller: Caller = ALL, *, most: int = 50) -> list[LabelHit]:
        return list(self._all(self.label_search.page, text, caller, most, ""))

    def _all(self, find: Any, text: str, caller: Caller, most: int, within: str) -> Iterator[Any]:
        search = Search(text, within, "", most)
        while True:
            page = find(caller, search)
            assert len(page.items) <= most
            yield from page.items
            if page.following is None:
                return
            search = search._replace(last=page.following)

    def close(self) -> None:
        self.index.close()
        self.house.close()
