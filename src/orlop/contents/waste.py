"""What an image ships for nothing: files that a later layer deletes or replaces are pulled all the same."""

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from orlop.contents.images import Image, Images
from orlop.contents.node import Node, Seen
from orlop.contents.overlay import Overlay
from orlop.contents.secrets import is_likely_secret
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag

MOST_SECRETS = 1000
"""That are told; their number is told whole."""


class Wasted(NamedTuple):
    """A file that is shipped and not there at the top. Its `node.layer` brought it."""

    node: Node
    gone: int
    """The place in the chain of the layer that deleted or replaced it."""
    replaced: bool
    """There is something else at its path at the top."""
    unchanged: bool
    """And that has the same content: only mode, owner or time were changed."""


class LayerWaste(NamedTuple):
    """Of one layer, bytes of content and numbers of files."""

    shipped: int
    wasted: int
    files: int
    wasted_files: int


class Waste(NamedTuple):
    image: Image
    layers: list[LayerWaste]
    files: list[Wasted]
    """The largest, the largest first."""
    secrets: list[Wasted]
    """Deleted or replaced, still shipped, and by their names what nobody should have."""
    secret_count: int
    live_secrets: list[Node]
    """The same of what is there at the top; only where it was asked for."""
    live_secret_count: int

    @property
    def shipped(self) -> int:
        return sum(layer.shipped for layer in self.layers)

    @property
    def wasted(self) -> int:
        return sum(layer.wasted for layer in self.layers)

    @property
    def efficiency(self) -> float:
        """Live bytes for each 100 that are shipped."""
        return 100.0 if not self.shipped else 100.0 * (self.shipped - self.wasted) / self.shipped


class Wastes:
    def __init__(self, images: Images) -> None:
        self._images = images

    def find(
        self,
        caller: Caller,
        name: RepositoryName,
        reference: Tag | Digest,
        *,
        platform: str = "",
        most: int = 20,
        live: bool = False,
    ) -> Waste:
        """`most`: how many files at most; `live`: tell also of live files that look like secrets.

        Raises what `Images.find` and `Images.view` raise.
        """
        image = self._images.find(caller, name, reference, platform)
        with self._images.view(image) as (view,):
            count = _Count(len(image.layers), most, live=live)
            count.add(view.history())
            return count.result(image, view)


class _Count:
    """Adds up in bounded memory what a view's history tells."""

    def __init__(self, layers: int, most: int, *, live: bool) -> None:
        self._layers = [[0, 0, 0, 0] for _ in range(layers)]
        self._most = most
        self._live = live
        self._largest: list[tuple[int, bytes, int, Seen]] = []
        self._secrets: list[Seen] = []
        self._secret_count = 0
        self._live_secrets: list[Node] = []
        self._live_secret_count = 0

    def add(self, history: Iterable[Seen]) -> None:
        for seen in history:
            # A hard link ships no bytes of its own.
            if seen.node.kind != "file":
                continue
            layer = self._layers[seen.node.layer]
            layer[0] += seen.node.size
            layer[2] += 1
            if seen.gone is None:
                self._note_live(seen.node)
                continue
            layer[1] += seen.node.size
            layer[3] += 1
            self._note_wasted(seen)

    def _note_live(self, node: Node) -> None:
        if self._live and node.size and is_likely_secret(node.path):
            self._live_secret_count += 1
            if len(self._live_secrets) < MOST_SECRETS:
                self._live_secrets.append(node)

    def _note_wasted(self, seen: Seen) -> None:
        node = seen.node
        item = (node.size, node.path, node.layer, seen)
        if len(self._largest) < self._most:
            heapq.heappush(self._largest, item)
        elif self._largest and item[:3] > self._largest[0][:3]:
            heapq.heapreplace(self._largest, item)
        if node.size and is_likely_secret(node.path):
            self._secret_count += 1
            if len(self._secrets) < MOST_SECRETS:
                self._secrets.append(seen)

    def result(self, image: Image, view: Overlay) -> Waste:
        largest = sorted(self._largest, key=lambda item: (-item[0], item[1], item[2]))
        secrets = sorted(self._secrets, key=lambda seen: (seen.node.path, seen.node.layer))
        return Waste(
            image=image,
            layers=[LayerWaste(*counts) for counts in self._layers],
            files=[_wasted(view, item[3]) for item in largest],
            secrets=[_wasted(view, seen) for seen in secrets],
            secret_count=self._secret_count,
            live_secrets=sorted(self._live_secrets, key=lambda node: node.path),
            live_secret_count=self._live_secret_count,
        )


def _wasted(view: Overlay, seen: Seen) -> Wasted:
    assert seen.gone is not None
    top = view.lookup(seen.node.path)
    unchanged = top is not None and top.digest is not None and top.digest == seen.node.digest
    return Wasted(seen.node, seen.gone, top is not None, unchanged)
