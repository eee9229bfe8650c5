"""What an image ships for nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.contents.entry import Entry
from orlop.contents.images import Images
from orlop.contents.waste import Waste, Wastes
from orlop.domain.name import Tag
from tests.unit.contents.known import Known, directory, file, whiteout
from tests.unit.registry.house import CALLER, NAME, House


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Known]:
    with House(tmp_path / "orlop.db") as house:
        known = Known(house, tmp_path / "contents.db")
        yield known
        known.close()


def waste_of(known: Known, *layers: list[Entry], most: int = 20, live: bool = False) -> Waste:
    known.push([known.layer(*entries) for entries in layers], "v1")
    images = Images(known.house.database, known.index, known.house.content.read)
    return Wastes(images).find(CALLER, NAME, Tag("v1"), most=most, live=live)


def told(waste: Waste) -> list[tuple[str, int, int, bool, bool]]:
    return [
        (file.node.path.decode(), file.node.layer, file.gone, file.replaced, file.unchanged) for file in waste.files
    ]


def test_what_later_layers_delete_and_replace_is_added_up(known: Known) -> None:
    waste = waste_of(
        known,
        [
            file("/a", b"1" * 100),
            file("/b", b"1" * 50),
            file("/c", b"1" * 20),
            file("/d/e", b"1" * 10),
            file("/stays", b"1" * 20),
        ],
        [whiteout("/a"), file("/b", b"2" * 60), file("/c", b"1" * 20, uid=5)],
        [whiteout("/d"), file("/b", b"3")],
    )
    assert told(waste) == [
        ("/a", 0, 1, False, False),
        ("/b", 1, 2, True, False),
        ("/b", 0, 1, True, False),
        ("/c", 0, 1, True, True),
        ("/d/e", 0, 2, False, False),
    ]
    assert [tuple(layer) for layer in waste.layers] == [(200, 180, 5, 4), (80, 60, 2, 1), (1, 0, 1, 0)]
    assert (waste.shipped, waste.wasted) == (281, 240)
    assert waste.efficiency == pytest.approx(100 * 41 / 281)


def test_what_is_made_again_in_the_layer_that_deletes_it_is_replaced(known: Known) -> None:
    waste = waste_of(known, [file("/a", b"1")], [whiteout("/a"), file("/a", b"22")])
    assert told(waste) == [("/a", 0, 1, True, False)]


def test_a_hard_link_ships_nothing(known: Known) -> None:
    linked = Entry(path="/b", type="hardlink", link="/a", mode=0o644)
    assert waste_of(known, [file("/a", b"1" * 9), linked], [whiteout("/b")]).shipped == 9


@pytest.mark.parametrize("layers", [[], [[directory("/a")]], [[file("/a")]]])
def test_nothing_shipped_is_nothing_wasted(known: Known, layers: list[list[Entry]]) -> None:
    waste = waste_of(known, *layers)
    assert (waste.efficiency, waste.files) == (100.0, [])


def test_only_the_largest_are_named(known: Known) -> None:
    names = [f"/{number}" for number in range(30)]
    waste = waste_of(
        known,
        [file(name, b"1" * (number + 1)) for number, name in enumerate(names)],
        [whiteout(n) for n in names],
        most=3,
    )
    assert [file[0] for file in told(waste)] == ["/29", "/28", "/27"]
    assert waste.layers[0].wasted_files == 30


def test_deleted_secrets_are_named_and_live_ones_when_asked(known: Known) -> None:
    layers = [
        [
            file("/root/.ssh/id_rsa", b"k"),
            file("/app/.env", b"A=1"),
            file("/app/tls.key", b"k"),
            file("/app/empty.pem"),
        ],
        [whiteout("/root/.ssh"), file("/app/.env", b"A=2"), whiteout("/app/empty.pem")],
    ]
    waste = waste_of(known, *layers)
    assert [file.node.path for file in waste.secrets] == [b"/app/.env", b"/root/.ssh/id_rsa"]
    assert (waste.secret_count, waste.live_secrets) == (2, [])
    waste = waste_of(known, *layers, live=True)
    assert [node.path for node in waste.live_secrets] == [b"/app/.env", b"/app/tls.key"]
