"""The clients, and the daemons among them, leave nothing behind."""

from pathlib import Path

import pytest

from tests.clients.daemons import open_containerd, open_docker
from tests.clients.sandbox import ProgramFailed, Sandbox, open_sandbox

WRITTEN = ("/etc/docker/key.json", "/opt/containerd", "/var/lib/containers", "/run/docker")


@pytest.mark.needs("docker")
@pytest.mark.needs("containerd")
def test_daemons_leave_nothing_on_the_machine() -> None:
    before = [Path(path).exists() for path in WRITTEN]
    with open_sandbox() as sandbox:
        name = sandbox.folder.name
        with open_docker(sandbox, sandbox.folder / "docker"), open_containerd(sandbox, sandbox.folder / "containerd"):
            assert _processes_that_name(name)
        forgotten = sandbox.start("sleep", "1000", log=sandbox.folder / "log")
    assert forgotten.wait(10) != 0
    assert not _processes_that_name(name)
    assert name not in Path("/proc/mounts").read_text()
    assert not sandbox.folder.exists()
    assert [Path(path).exists() for path in WRITTEN] == before


@pytest.mark.needs("skopeo")
def test_a_program_that_hangs_is_ended_and_its_words_are_told(sandbox: Sandbox) -> None:
    with pytest.raises(ProgramFailed) as failure:
        sandbox.run("sh", "-c", "echo still here; sleep 1000", timeout=1)
    assert "was killed after 1 s" in str(failure.value)
    assert "still here" in str(failure.value)


def _processes_that_name(word: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in command:
            found.append(command)
    return found
