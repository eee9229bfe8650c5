"""The folder of an old docker-registry, as its file storage wrote it."""

import hashlib
import json
from pathlib import Path
from urllib.parse import quote_plus

from tests.unit.registry.v1_house import document_of, image_id, new_layer


class OldFolder:
    """`nested`: images are private to repositories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "images").mkdir(parents=True)
        (root / "repositories").mkdir()

    def image(
        self,
        label: str,
        parent: str | None = None,
        layer: bytes | None = None,
        repository: str = "",
        checksums: object = None,
    ) -> Path:
        """The folder of a whole image, with both a checksum of all its bytes and one that nobody knows."""
        folder = self.root / "images" / repository / image_id(label)
        folder.mkdir(parents=True)
        layer = new_layer() if layer is None else layer
        document = document_of(label, parent)
        payload = hashlib.sha256(document + b"\n" + layer).hexdigest()
        if checksums is None:
            checksums = [f"sha256:{payload}", f"md5:{'0' * 32}"]
        (folder / "json").write_bytes(document)
        (folder / "layer").write_bytes(layer)
        (folder / "ancestry").write_text(json.dumps([image_id(label)]))
        if checksums != []:
            text = checksums if isinstance(checksums, str) else json.dumps(checksums)
            (folder / "_checksum").write_text(text)
        return folder

    def tag(self, repository: str, tag: str, label: str) -> None:
        """Quoted, as since 0.8.1, with what is told of a tag beside it."""
        namespace, _, name = repository.partition("/")
        folder = self.root / "repositories" / quote_plus(namespace) / quote_plus(name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"tag_{quote_plus(tag)}").write_text(image_id(label))
        (folder / f"tag{quote_plus(tag)}_json").write_text(json.dumps({"last_update": 1400000000, "os": "linux"}))
        (folder / "_index_images").write_text("[]")
        (folder / "json").write_text("{}")
        (folder / "_private").write_text("")

    def content(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}
