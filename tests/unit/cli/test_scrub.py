"""`orlop scrub`: what it prints, and what it refuses in one line. What it finds: tests/faults/test_scrub.py."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from orlop.cli import main
from orlop.maintenance.turn import SCRUB, turn
from tests.faults.scrubbing import file_of, flip, house_in, push_images
from tests.unit.cli.test_accounts import Orlop

STRAY = "blobs/sha256/ab/note"


def registry(tmp_path: Path) -> Orlop:
    """With one image, of which a layer is damaged; and a stray file."""
    with house_in(tmp_path) as house:
        (pushed,) = push_images(house, 1, 1)
        house.storage.put_content(STRAY, b"x")
    flip(file_of(tmp_path, next(iter(pushed.layers))))
    return Orlop(tmp_path)


def test_what_a_person_is_told(tmp_path: Path) -> None:
    orlop = registry(tmp_path)
    done = orlop.ask("scrub", "--rate", "0")
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert lines[0].startswith("Read 4 objects, ")
    assert lines[0].endswith(" MB/s).")
    assert f"stray object: {STRAY}: no blob has this path" in lines
    assert "    affects team0/app:v0" in lines
    assert lines[-2:] == [
        "Found: 1 damaged, 1 stray object. Repaired: 0, left: 2.",
        "Nothing was changed: `orlop scrub --repair` brings it in order.",
    ]
    done = orlop.ask("scrub", "--repair")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "Found: 1 damaged, 1 stray object. Repaired: 2, left: 0."
    done = orlop.ask("scrub")
    assert (done.exit_code, done.stdout.splitlines()[-2:]) == (
        0, ["Known to be lost, until they are pushed again: 1.", "Nothing else is wrong."],
    )  # fmt: skip


def test_a_registry_in_order(tmp_path: Path) -> None:
    with house_in(tmp_path) as house:
        push_images(house, 1, 1)
    assert Orlop(tmp_path).run("scrub").splitlines()[-1] == "Nothing is wrong."
    report = json.loads(Orlop(tmp_path).run("scrub", "--json"))
    assert (report["found"], report["findings"], report["objects"], report["left"]) == ({}, [], 3, 0)


def test_the_rate_is_a_setting(tmp_path: Path) -> None:
    with house_in(tmp_path):
        pass
    orlop = Orlop(tmp_path)
    assert "unknown unit parsecs" in orlop.refusal("scrub", "--rate", "12 parsecs")
    orlop.environment["ORLOP_SCRUB_RATE"] = "quick"
    assert "scrub.rate" in orlop.refusal("scrub")


def test_refusals_are_one_line(tmp_path: Path) -> None:
    misspelt = Orlop(tmp_path / "misspelt")
    assert f"there is no registry in {misspelt.data}: name its folder by --data" in misspelt.refusal("scrub")
    assert not misspelt.data.exists()
    assert "has nothing beside its server" in misspelt.refusal("scrub", "--storage", "memory:")
    with house_in(tmp_path / "a"), house_in(tmp_path / "b") as house:
        house.push_blob(b"content")
    mixed = Orlop(tmp_path / "a")
    assert "another store's" in mixed.refusal("scrub", "--storage", f"file:{tmp_path / 'b' / 'store'}")
    with turn(tmp_path / "a", SCRUB):
        assert "a scrub is running already (process " in mixed.refusal("scrub")
        errors = json.loads(mixed.refusal("scrub", "--json"))["errors"]
    assert "a scrub is running already" in errors[0]["message"]


def test_a_terminal_shows_how_far_it_is(tmp_path: Path) -> None:
    registry(tmp_path)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orlop", "scrub", "--data", str(tmp_path)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while more := os.read(ours, 1000):
                shown += more
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert process.wait(20) == 1
    assert b"waiting, to look again" in shown
    assert b"B/s" in shown


def test_help_says_what_it_does() -> None:
    assert "--repair" in CliRunner().invoke(main, ["scrub", "--help"]).output
