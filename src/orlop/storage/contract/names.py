"""Cases of paths: what can be one, what can't, and that none leads out of the store."""

import io
import secrets
from collections.abc import Callable

from orlop.storage.base import InvalidPath, Storage
from orlop.storage.contract.expect import equal, holds, paths, raises, true


def _invalid_paths() -> list[str]:
    # The last part of those that climb is made up at random: with a driver that lets them through, nothing that is in
    # the store is hit.
    chance = secrets.token_hex(8)
    return [
        "",
        ".",
        "..",
        f"/{chance}",
        f"//{chance}",
        f"../{chance}",
        f"../../../{chance}",
        f"{chance}/../../{chance}",
        f"a/../{chance}",
        f"a/./{chance}",
        f"a//{chance}",
        f"a/{chance}//",
        f"a/..{chance}",
        f".{chance}",
        f"a/.{chance}",
        f"a/{chance}\0",
        f"a/{chance}\n",
        f"\n{chance}",
        f"a/{chance}\r",
        f"a/{chance}\t",
        f"a/{chance}\x7f",
        f"a/{chance} ",
        f"a\\{chance}",
        f"a/..\\..\\{chance}",
        f"a/{chance}ß",
        f"a/{chance}\u2044b",
        f"a/{chance}\ud800",
        f"a/{chance}{'x' * 240}",
        f"{'/'.join(['x' * 100] * 11)}/{chance}",
    ]


class Names:
    """What the contract promises of paths."""

    def test_invalid_paths_are_refused_by_all_that_makes_or_reads(self, storage: Storage) -> None:
        storage.put_content("a/b", b"content")
        calls: dict[str, Callable[[str], object]] = {
            "put_content": lambda path: storage.put_content(path, b"stray"),
            "put_contents": lambda path: storage.put_contents([("a/c", b"stray"), (path, b"stray")]),
            "put_content, soft": lambda path: storage.put_content(path, b"stray", durable=False),
            "stream_write": lambda path: storage.stream_write(path, io.BytesIO(b"stray")),
            "open_writer": lambda path: storage.open_writer(path).close(),
            "open_writer, append": lambda path: storage.open_writer(path, append=True).close(),
            "move to": lambda path: storage.move("a/b", path),
            "copy to": lambda path: storage.copy("a/b", path),
            "link to": lambda path: storage.link("a/b", path),
            "copy from": lambda path: storage.copy(path, "a/c"),
            "link from": lambda path: storage.link(path, "a/c"),
            "get_content": storage.get_content,
            "stream_read": storage.stream_read,
            "stream_read_file": storage.stream_read_file,
            "get_size": storage.get_size,
            "sync": lambda path: storage.sync([path]),
            "list_directory": storage.list_directory,
            "walk": storage.walk,
        }
        for path in _invalid_paths():
            for name, call in calls.items():
                with raises(InvalidPath, f"{name}({path!r})"):
                    call(path)
        equal(paths(storage), ["a/b"])
        holds(storage, "a/b", b"content")

    def test_invalid_paths_are_refused_by_what_takes_away(self, storage: Storage) -> None:
        for path in _invalid_paths():
            if path in ("", ".", ".."):
                continue  # a driver that let these through would remove all there is
            with raises(InvalidPath, f"remove({path!r})"):
                storage.remove(path)
            with raises(InvalidPath, f"move({path!r}, …)"):
                storage.move(path, "a/c")

    def test_invalid_paths_do_not_exist(self, storage: Storage) -> None:
        for path in _invalid_paths():
            equal(storage.exists(path), False)

    def test_an_invalid_path_says_why(self, storage: Storage) -> None:
        try:
            storage.get_content("a/../b")
        except InvalidPath as error:
            true(isinstance(error, ValueError), "InvalidPath is no ValueError")
            true(error.reason and error.reason in str(error), "no reason is given")
        else:
            raise AssertionError("the path was taken")

    def test_an_object_is_not_named_with_a_slash(self, storage: Storage) -> None:
        for call in (lambda: storage.put_content("a/b/", b"content"), lambda: storage.get_content("a/b/")):
            with raises(InvalidPath):
                call()

    def test_names_may_be_long(self, storage: Storage) -> None:
        for path in ("x" * 255, f"a/{'y' * 255}/{'z' * 255}", "/".join(["d" * 50] * 15)):
            storage.put_content(path, path.encode())
            holds(storage, path, path.encode())
        storage.stream_write("s" * 255, io.BytesIO(b"content"))
        storage.move("s" * 255, "t" * 255)
        holds(storage, "t" * 255, b"content")

    def test_names_may_hold_all_printable_ascii(self, storage: Storage) -> None:
        names = [f"a/x{chr(number)}y" for number in range(0x21, 0x7F) if chr(number) not in "/\\"]
        names += [f"a/{name}" for name in ("!_images_list", "_", "sha256:ab", "%2e%2e", "~", "-", "a.", "a..b")]
        for name in names:
            storage.put_content(name, name.encode(), durable=False)
        equal(sorted(storage.list_directory("a")), sorted(names))
        for name in names:
            equal(storage.get_content(name), name.encode())

    def test_names_differ_by_case(self, storage: Storage) -> None:
        for path in ("a/Tag", "a/tag", "A/tag"):
            storage.put_content(path, path.encode())
        for path in ("a/Tag", "a/tag", "A/tag"):
            holds(storage, path, path.encode())
