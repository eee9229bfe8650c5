"""How the tests read a file of an image: as the parser of layers does, in pieces."""

from orlop.contents.packages import Package, wanted

PIECES = (1 << 20, 7)
"""Bytes: as files come, and as they never do."""


def read(path: str, content: bytes) -> list[Package]:
    """What the file tells of; the same however it is cut."""
    reader = wanted(path)
    assert reader is not None, f"{path} is not looked at"
    results = []
    for size in PIECES if len(content) < 1 << 16 else PIECES[:1]:
        collector = reader.collector(path)
        for at in range(0, len(content), size):
            collector.feed(memoryview(content)[at : at + size])
        results.append(list(collector.packages()))
    assert results.count(results[0]) == len(results)
    return results[0]


def versions(path: str, content: bytes) -> list[tuple[str, str]]:
    return [(package.name, package.version) for package in read(path, content)]
