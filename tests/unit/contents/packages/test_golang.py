import shutil
import subprocess
from pathlib import Path

from orlop.contents.packages import wanted
from tests import left_out
from tests.unit.contents.packages.reading import read, versions
from tests.unit.contents.packages.samples import go_program

MODULES = b"""path\texample.com/app/cmd
mod\texample.com/app\t(devel)\t
dep\tgolang.org/x/net\tv0.17.0\th1:abc=
dep\tgithub.com/old/one\tv1.0.0
=>\tgithub.com/new/one\tv1.2.0-rc.1\th1:abc=
build\t-compiler=gc
build\tdep=x
"""


def test_a_program_has_its_modules_and_go_itself() -> None:
    assert versions("/usr/bin/app", go_program(MODULES)) == [
        ("stdlib", "1.22.1"),
        ("example.com/app", "(devel)"),
        ("golang.org/x/net", "v0.17.0"),
        ("github.com/new/one", "v1.2.0-rc.1"),
    ]
    assert {package.path for package in read("/app", go_program(MODULES))} == {"/app"}


def test_a_program_of_this_machine_tells_of_go() -> None:
    if reason := left_out.missing_programs("umoci", "dpkg-query"):
        left_out.leave_out("a program written in Go", reason)
    program = Path(shutil.which("umoci") or "")
    found = dict(versions(str(program), program.read_bytes()))
    built = subprocess.run(["strings", "-n", "6", program], capture_output=True, text=True)
    assert found["stdlib"][:2] == "1."
    assert built.returncode or f"go{found['stdlib']}" in built.stdout


def test_a_program_that_knows_the_mark_is_read_all_the_same() -> None:
    ahead = b"\xff Go buildinf:invalid format of build info" + bytes(60000) + b"\xff Go buildinf:" * 3
    assert ("golang.org/x/net", "v0.17.0") in versions("/usr/bin/syft", go_program(MODULES, ahead=ahead))


def test_experiments_are_no_part_of_the_version() -> None:
    assert versions("/app", go_program(b"", b"go1.21rc2 X:boringcrypto")) == [("stdlib", "1.21rc2")]


def test_other_files_tell_of_nothing() -> None:
    program = go_program(MODULES)
    for content in (b"", b"#!/bin/sh\n" + program, program.replace(b"\xff Go", b"\xff No"), program[:100]):
        assert read("/usr/bin/app", content) == []


def test_lengths_that_lie_are_no_matter() -> None:
    program = go_program(MODULES)
    at = program.index(b"go1.22.1") - 1
    for length in (b"\xff" * 12, b"\xff\xff\xff\xff\x7f", b"\x00"):
        assert len(read("/app", program[:at] + length + program[at + 1 :])) <= 4


def test_only_what_could_be_a_program_is_looked_at() -> None:
    for path in ("/usr/bin/app", "/app", "/workspace/manager", "/opt/cni/bin/bridge", "/usr/libexec/docker/cli"):
        assert wanted(path) is not None, path
    for path in ("/etc/passwd", "/usr/share/doc/a/copyright", "/usr/lib/libc.so.6", "/app/main.go"):
        assert wanted(path) is None, path
