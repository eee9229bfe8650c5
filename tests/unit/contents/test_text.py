"""Lines in which two texts differ: right in any case, and in bounded time."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orlop.contents import text

line_lists = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\x0c\n", "\n"]), max_size=14)


@settings(max_examples=200, deadline=None)
@given(line_lists, line_lists)
def test_the_opcodes_make_one_text_of_the_other(old: list[str], new: list[str]) -> None:
    made, at = [], (0, 0)
    for tag, old_begin, old_end, new_begin, new_end in text.opcodes(old, new):
        assert (old_begin, new_begin) == at
        at = (old_end, new_end)
        if tag == "equal":
            assert old[old_begin:old_end] == new[new_begin:new_end]
        made += old[old_begin:old_end] if tag == "equal" else new[new_begin:new_end]
    assert at == (len(old), len(new))
    assert made == new


@settings(max_examples=30, deadline=None)
@given(line_lists, line_lists, st.sampled_from(["", "end"]), st.sampled_from(["", "end"]))
def test_what_is_written_makes_one_text_of_the_other(
    old: list[str], new: list[str], old_end: str, new_end: str
) -> None:
    before, after = "".join(old) + old_end, "".join(new) + new_end
    written = text.unified(before, after, ("a", "b"))
    if before == after:
        assert written == ""
        return
    applied = applied_to(before, written)
    assert applied == after


def applied_to(before: str, difference: str) -> str:
    """What the hunks make of a text, as `patch` would."""
    old = re.findall(r"[^\n]*\n|[^\n]+", before)
    made: list[str] = []
    at = 0
    for hunk in re.split(r"^@@ ", difference, flags=re.MULTILINE)[1:]:
        head, _, body = hunk.partition("\n")
        found = re.match(r"-(\d+)(?:,(\d+))?", head)
        assert found is not None
        begin = int(found[1]) - (found[2] != "0")
        made += old[at:begin]
        at = begin
        for line in re.findall(r"[^\n]*\n(?:\\[^\n]*\n)?", body):
            sign, text_ = line[0], line[1:]
            if "\n\\" in text_:
                text_ = text_.partition("\n\\")[0]
            if sign != "+":
                assert old[at] == text_
                at += 1
            if sign != "-":
                made.append(text_)
    return "".join([*made, *old[at:]])


def test_it_looks_as_diff_shows_it(tmp_path: Path) -> None:
    before = "".join(f"{number}\n" for number in range(50))
    after = before.replace("\n7\n", "\nseven\n").replace("40\n", "") + "end"
    for name, content in (("a", before), ("b", after)):
        (tmp_path / name).write_text(content)
    shown = subprocess.run(["diff", "-u", "--label", "a", "--label", "b", "a", "b"], cwd=tmp_path, capture_output=True)
    assert text.unified(before, after, ("a", "b")) == shown.stdout.decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([f"{number}\n" for number in range(30_000)], [f"{number}\n" for number in range(30_000, 0, -1)]),
        (["x\n"] * 60_000 + ["y\n"] * 1000, ["y\n"] + ["x\n"] * 30_000 + ["z\n"]),
    ],
    ids=["backwards", "the same line over and over"],
)
def test_texts_made_to_take_long_do_not(old: list[str], new: list[str]) -> None:
    begun = time.process_time()
    assert list(text.opcodes(old, new))
    assert time.process_time() - begun < 10  # a quarter of a second to two
