"""A path that can't be says why."""

import pytest

from orlop.storage.paths import InvalidPath, check_folder, check_path, check_segment, is_segment


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "it is empty"),
        ("/a", "it is absolute"),
        ("a/", "it has an empty segment"),
        ("a//b", "it has an empty segment"),
        ("..", "a segment begins with a dot"),
        ("a/../b", "a segment begins with a dot"),
        (".tmp/x", "a segment begins with a dot"),
        ("a/ß", "it is not ASCII"),
        ("a/" + "x" * 256, "a segment is longer than 255 bytes"),
        ("a/" * 600 + "b", "it is longer than 1024 bytes"),
        ("a\0b", r"it holds '\x00'"),
        ("a\nb", r"it holds '\n'"),
        ("a b", "it holds ' '"),
        ("a\\b", r"it holds '\\'"),
    ],
)
def test_reasons(path: str, reason: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        check_path(path)
    assert caught.value.reason == reason
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_folder_may_end_with_one_slash() -> None:
    assert check_folder("a/b/") == check_folder("a/b") == "a/b"
    for path in ("/", "a//", ""):
        with pytest.raises(InvalidPath):
            check_folder(path)


def test_segments_hold_no_slash() -> None:
    assert check_segment("a.b!_~") == "a.b!_~"
    assert is_segment("x" * 255)
    for segment in ("a/b", "", ".", "x" * 256, "a "):
        assert not is_segment(segment)
        with pytest.raises(InvalidPath):
            check_segment(segment)
