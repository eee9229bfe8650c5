"""What comes with a v1 image: its id and its JSON."""

import pytest

from orlop.domain.errors import ImageInvalid, ImageUnknown
from orlop.domain.v1.ids import ImageId
from orlop.domain.v1.image_json import LARGEST, parse_image_json

ID = ImageId("ab" * 32)
OTHER = "cd" * 32


@pytest.mark.parametrize("text", ["a" * 64, "0" * 16, "0123456789abcdef" * 4])
def test_ids_are_hex_of_one_of_two_lengths(text: str) -> None:
    assert ImageId.parse(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "a", "A" * 64, "g" * 64, "a" * 63, "a" * 65, "a" * 17, "../" + "a" * 61, "a" * 64 + "\n", "\u0661" * 64, "."],
)
def test_nothing_else_is_an_id(text: str) -> None:
    with pytest.raises(ImageUnknown, match=r"^Invalid image ID$"):
        ImageId.parse(text)


def test_the_json_says_id_and_parent() -> None:
    found = parse_image_json(b'{"id": "%s", "parent": "%s", "x": [1]}' % (ID.encode(), OTHER.encode()), ID)
    assert (found.id, found.parent) == (ID, OTHER)
    for absent in (b"", b', "parent": null', b', "parent": ""'):
        assert parse_image_json(b'{"id": "%s"%s}' % (ID.encode(), absent), ID).parent is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "Invalid JSON"),
        (b'"x"', "Invalid JSON"),
        (b'{"id": "' + ID.encode(), "Invalid JSON"),
        (b'{"id": "%s", "id": "%s"}' % (ID.encode(), ID.encode()), "Invalid JSON"),
        (b'{"id": NaN}', "Invalid JSON"),
        (b"\xff\xfe{}", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b" " * (LARGEST + 1), "Invalid JSON"),
        (b"{}", "Missing key `id' in JSON"),
        (b'{"id": "%s"}' % OTHER.encode(), "JSON data contains invalid id"),
        (b'{"id": 3}', "JSON data contains invalid id"),
        (b'{"id": "%s", "parent": 3}' % ID.encode(), "Image depends on a non existing parent"),
        (b'{"id": "%s", "parent": "../x"}' % ID.encode(), "Image depends on a non existing parent"),
        (b'{"id": "%s", "parent": "%s"}' % (ID.encode(), ID.encode()), "Image depends on a non existing parent"),
    ],
)
def test_json_that_cannot_be_is_refused_in_words_that_clients_know(content: bytes, message: str) -> None:
    with pytest.raises(ImageInvalid) as refusal:
        parse_image_json(content, ID)
    assert str(refusal.value).startswith(message)
