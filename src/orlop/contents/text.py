"""The lines in which two texts differ, found in bounded time: whoever made the texts may not mean well."""

import difflib
from array import array
from collections.abc import Iterator, Sequence

CONTEXT = 3
"""Lines that are shown around what differs."""
EDITS = 2000
"""Lines that may be added and removed for the shortest way from one text to the other to be looked for."""
STEPS = 2_000_000
"""Comparisons of lines for one pair of texts: about a second."""

Opcode = tuple[str, int, int, int, int]


def unified(before: str, after: str, names: tuple[str, str]) -> str:
    """The difference as `diff -u` shows it, empty where there is none.

    It is right in any case. Where very much differs it is not the shortest one.
    """
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    matcher = difflib.SequenceMatcher(None, "", "", autojunk=False)
    matcher.opcodes = list(opcodes(old, new))  # type: ignore[attr-defined]  # it is what get_opcodes returns then
    written = [f"--- {names[0]}\n", f"+++ {names[1]}\n"]
    for group in matcher.get_grouped_opcodes(CONTEXT):
        written.append(f"@@ -{_range(group[0][1], group[-1][2])} +{_range(group[0][3], group[-1][4])} @@\n")
        for tag, old_begin, old_end, new_begin, new_end in group:
            if tag == "equal":
                written += [" " + line for line in old[old_begin:old_end]]
                continue
            written += ["-" + line for line in old[old_begin:old_end]]
            written += ["+" + line for line in new[new_begin:new_end]]
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in written)


def opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[Opcode]:
    """What makes one of the other, as `difflib.SequenceMatcher.get_opcodes` tells it."""
    most = min(len(old), len(new))
    head = next((number for number in range(most) if old[number] != new[number]), most)
    most -= head
    tail = next((number for number in range(most) if old[-1 - number] != new[-1 - number]), most)
    numbers: dict[str, int] = {}
    inner = [
        [numbers.setdefault(line, len(numbers)) for line in lines[head : len(lines) - tail]] for lines in (old, new)
    ]
    old_at = new_at = head
    if head:
        yield "equal", 0, head, 0, head
    for old_begin, new_begin, length in [*_matches(*inner), (len(inner[0]), len(inner[1]), 0)]:
        old_begin, new_begin = old_begin + head, new_begin + head
        if old_at < old_begin or new_at < new_begin:
            tag = (
                "replace" if old_at < old_begin and new_at < new_begin else "delete" if old_at < old_begin else "insert"
            )
            yield tag, old_at, old_begin, new_at, new_begin
        old_at, new_at = old_begin + length, new_begin + length
        if length:
            yield "equal", old_begin, old_at, new_begin, new_at
    if tail:
        yield "equal", old_at, len(old), new_at, len(new)


def _matches(old: list[int], new: list[int]) -> list[tuple[int, int, int]]:
    """Stretches that are alike, in order: where each begins in both, and how long it is. None where it takes too long.

    Source: E. Myers, An O(ND) Difference Algorithm and Its Variations (1986), the greedy way.
    """
    rounds: list[array[int]] = []
    steps = 0
    for edits in range(min(EDITS, len(old) + len(new)) + 1):
        reached = array("i")
        for diagonal in range(-edits, edits + 1, 2):
            x = begun = _begin(rounds, edits, diagonal)[0]
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            steps += x - begun + 1
            reached.append(x)
            if x >= len(old) and y >= len(new):
                return _stretches(rounds, x, y)
        rounds.append(reached)
        if steps > STEPS:
            break
    return []


def _begin(rounds: list["array[int]"], edits: int, diagonal: int) -> tuple[int, int]:
    """Where a stretch on a diagonal begins after so many edits, and the diagonal that the last of them left.

    `rounds[n]`: how far one comes with n edits, on the diagonals -n, -n + 2 … n.
    """
    if not edits:
        return 0, 0
    last = rounds[edits - 1]
    left = (diagonal + edits) // 2 - 1  # of the diagonal below; that above is the next
    if left < 0 or (left + 1 < len(last) and last[left] < last[left + 1]):
        return last[left + 1], diagonal + 1
    return last[left] + 1, diagonal - 1


def _stretches(rounds: list["array[int]"], x: int, y: int) -> list[tuple[int, int, int]]:
    """The way back from the end: the stretches on it."""
    found = []
    for edits in range(len(rounds), -1, -1):
        diagonal = x - y
        begin, before = _begin(rounds, edits, diagonal)
        if x > begin:
            found.append((begin, begin - diagonal, x - begin))
        x = begin if before > diagonal else begin - 1
        y = x - before
    return found[::-1]


def _lines(text: str) -> list[str]:
    """With their ends. Only a newline ends a line: `str.splitlines` knows nine more characters that do."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _range(begin: int, end: int) -> str:
    length = end - begin
    return f"{begin + 1 if length else begin}" + (f",{length}" if length != 1 else "")
