"""Cases of many threads that work on the same objects and folders."""

import hashlib
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from orlop.storage.base import Storage
from orlop.storage.contract.expect import absent, equal, holds, paths, true

THREADS = 8
ROUNDS = 25


class Concurrency:
    """What the contract promises to those who come at once."""

    def test_readers_see_whole_objects_only(self, storage: Storage) -> None:
        contents = [bytes([number]) * (1000 + 70_000 * number) for number in range(4)]
        known = {hashlib.sha256(content).digest() for content in contents}
        storage.put_content("a/b", contents[0])
        over = threading.Event()

        def write(number: int) -> None:
            for turn in range(ROUNDS):
                content = contents[(number + turn) % len(contents)]
                if turn % 2:
                    storage.put_content("a/b", content, durable=turn % 4 == 1)
                else:
                    storage.stream_write("a/b", io.BytesIO(content))

        def read(_: int) -> int:
            reads = 0
            while not over.is_set() or not reads:
                reads += 1
                whole = storage.get_content("a/b")
                streamed = b"".join(storage.stream_read("a/b"))
                for content in (whole, streamed):
                    true(hashlib.sha256(content).digest() in known, f"a mixture of {len(content)} bytes")
            return reads

        with ThreadPoolExecutor(THREADS) as pool:
            readers = [pool.submit(read, number) for number in range(THREADS // 2)]
            try:
                _all(pool, write, THREADS // 2)
            finally:
                over.set()
            for reader in readers:
                reader.result()

    def test_a_put_wins_against_those_who_empty_its_folder(self, storage: Storage) -> None:
        def churn(number: int) -> None:
            for turn in range(ROUNDS * 2):
                path = f"a/b/c/{number}"
                content = f"{number} {turn}".encode()
                storage.put_content(path, content, durable=False)
                equal(storage.get_content(path), content)
                storage.remove(path)

        _threads(churn)
        absent(storage, "a/b/c")

    def test_a_writer_wins_against_those_who_empty_its_folder(self, storage: Storage) -> None:
        def churn(number: int) -> None:
            for turn in range(ROUNDS):
                path = f"a/b/{number}"
                content = f"{number} {turn}".encode()
                with storage.open_writer(path) as writer:
                    writer.write(content)
                    storage.move(path, f"c/d/{number}")
                equal(storage.get_content(f"c/d/{number}"), content)
                storage.remove(f"c/d/{number}")

        _threads(churn)
        equal(paths(storage), [])

    def test_puts_go_on_while_their_folder_is_removed_whole(self, storage: Storage) -> None:
        def churn(number: int) -> None:
            for turn in range(ROUNDS):
                if number % 4:
                    storage.put_content(f"a/b/{number}/{turn}", b"content", durable=False)
                    continue
                try:
                    storage.remove("a/b")
                except FileNotFoundError:
                    continue

        _threads(churn)
        for entry in storage.walk("a"):
            holds(storage, entry.path, b"content")
        storage.put_content("a/b/last", b"content")
        storage.remove("a/b")
        absent(storage, "a/b")

    def test_one_of_many_gets_to_write(self, storage: Storage) -> None:
        start = threading.Barrier(THREADS)
        done = threading.Barrier(THREADS)

        def attempt(number: int, turn: int) -> int:
            start.wait()
            try:
                writer = storage.open_writer(f"a/{turn}/data", append=False)
            except BlockingIOError:
                done.wait()
                return 0
            done.wait()
            with writer:
                writer.write(bytes([number]))
            return 1

        for turn in range(ROUNDS):
            with ThreadPoolExecutor(THREADS) as pool:
                winners = sum(pool.map(attempt, range(THREADS), [turn] * THREADS))
            equal(winners, 1)
            equal(storage.get_size(f"a/{turn}/data"), 1)

    def test_one_of_many_gets_to_move(self, storage: Storage) -> None:
        def attempt(number: int, turn: int) -> int:
            try:
                storage.move(f"a/{turn}", f"b/{turn}/{number}")
            except FileNotFoundError:
                return 0
            return 1

        for turn in range(ROUNDS):
            content = os.urandom(10)
            storage.put_content(f"a/{turn}", content, durable=False)
            with ThreadPoolExecutor(THREADS) as pool:
                moved = sum(pool.map(attempt, range(THREADS), [turn] * THREADS))
            equal(moved, 1)
            equal([storage.get_content(path) for path in paths(storage, f"b/{turn}")], [content])

    def test_objects_of_many_come_out_right(self, storage: Storage) -> None:
        def work(number: int) -> None:
            for turn in range(ROUNDS):
                content = hashlib.sha256(f"{number} {turn}".encode()).digest() * 100
                storage.put_content(f"a/{number}", content)
                storage.copy(f"a/{number}", f"b/{number}/copy")
                storage.link(f"a/{number}", f"b/{number}/link")
                for path in (f"a/{number}", f"b/{number}/copy", f"b/{number}/link"):
                    equal(storage.get_content(path), content)

        _threads(work)
        equal(len(paths(storage)), THREADS * 3)


def _threads(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        _all(pool, work, THREADS)


def _all(pool: ThreadPoolExecutor, work: Callable[[int], None], count: int) -> None:
    for future in [pool.submit(work, number) for number in range(count)]:
        future.result()
