"""Names of the tree and their rows, brought together."""

from pathlib import Path

from orlop.domain.digest import Digest
from tests.faults.scrubbing import house_in, push_images, statement
from tests.protocol.content import OCI_IMAGE
from tests.unit.maintenance.scrubbing import scrub
from tests.unit.registry.house import CALLER


class Names:
    """20 tagged images, of which some lose their names, or get others."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with house_in(data) as house:
            self.images = push_images(house, 20, 1)

    def tag_file(self, number: int) -> Path:
        return self.data / "store" / "repositories" / f"team{number % 5}" / "app" / f"v{number}"

    def entry(self, number: int) -> Path:
        return self.tag_file(number).with_name("_manifests") / "sha256" / self.images[number].manifest.hex

    def named(self, number: int) -> str:
        return f"{self.images[number].name}@{self.images[number].manifest}"

    def layer(self, number: int) -> Digest:
        return next(iter(self.images[number].layers))

    def plant(self) -> set[tuple[str, str]]:
        """The kind and the name of each fault."""
        self.tag_file(0).unlink()
        self.tag_file(1).write_text("nonsense")
        self.entry(2).unlink()
        self.entry(3).write_text("application/json")
        # Rows that are gone, of a tag and of whole manifests.
        statement(self.data, "DELETE FROM tags WHERE name = 'v4'")
        for number in (5, 6):
            statement(self.data, "DELETE FROM tags WHERE name = ?", f"v{number}")
            digest = self.images[number].manifest
            query = "DELETE FROM manifest_references WHERE manifest_id = (SELECT id FROM manifests WHERE digest = ?)"
            statement(self.data, query, digest)
            statement(self.data, "DELETE FROM manifests WHERE digest = ?", digest)
        # The layer of one of them lost its row as well: it is no stray.
        statement(self.data, "DELETE FROM blobs WHERE digest = ?", self.layer(6))
        statement(self.data, "DELETE FROM leases WHERE digest = ?", self.layer(6))
        self.tag_file(0).with_name("stray").write_text(f"sha256:{'0' * 64}")
        self.tag_file(0).with_name("not+a+tag").write_text("x")
        linked = self.layer(7)
        query = "DELETE FROM repository_blobs WHERE blob_id = (SELECT id FROM blobs WHERE digest = ?)"
        statement(self.data, query, linked)
        statement(self.data, "INSERT INTO repository_blobs VALUES (3, 99999, 0)")
        statement(self.data, "INSERT INTO leases VALUES (77777, ?, 0)", linked)
        statement(self.data, "UPDATE tags SET manifest_id = 88888 WHERE name = 'v8'")
        statement(self.data, "UPDATE blobs SET size = 1 WHERE digest = ?", self.images[9].manifest)
        return {
            ("missing tag", "team0/app:v0"), ("missing tag", "team1/app:v1"),
            ("missing entry", self.named(2)), ("missing entry", self.named(3)),
            ("stray tag", "team4/app:v4"), ("stray tag", "team0/app:v5"), ("stray tag", "team1/app:v6"),
            ("stray tag", "team0/app:stray"), ("stray object", "repositories/team0/app/not+a+tag"),
            ("missing manifest", self.named(5)), ("missing manifest", self.named(6)),
            ("missing link", f"{self.images[7].name}@{linked}"),
            ("dangling rows", "team2/app"), ("dangling rows", "leases.repository_id"),
            ("dangling rows", "team3/app:v8"), ("wrong size", str(self.images[9].manifest)),
        }  # fmt: skip


def test_names_are_brought_together(tmp_path: Path) -> None:
    names = Names(tmp_path)
    planted = names.plant()
    with house_in(tmp_path) as house:
        done = scrub(house, tmp_path)
        assert [(each.kind, each.name) for each in done.findings if each.name == names.layer(6)] == []
        assert {(each.kind, each.name) for each in done.findings} == planted
        assert len(done.findings) == len(planted)
        repaired = scrub(house, tmp_path, repair=True)
        # Its manifest is recorded again before the layer is looked at, so that it is known to be missing.
        told = {(each.kind, each.name) for each in repaired.findings}
        assert told == planted | {("missing row", str(names.layer(6)))}
        assert repaired.left == 0
        assert scrub(house, tmp_path).findings == []

        for number in (0, 1, 4, 5, 6, 8):
            assert names.tag_file(number).read_text() == names.images[number].manifest
        assert [names.entry(number).read_text() for number in (2, 3)] == [OCI_IMAGE] * 2
        assert not names.tag_file(0).with_name("stray").exists()
        assert (tmp_path / "store" / "quarantine" / "repositories" / "team0" / "app" / "stray").exists()
        for number, each in enumerate(names.images):
            assert house.tag(f"v{number}", each.name) == each.manifest
            house.blobs.find(CALLER, each.name, names.layer(number))
