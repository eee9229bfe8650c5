"""Where the clients run: namespaces of their own, so that whatever they mount, start or write is gone at the end."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HIDDEN = ("/run", "/dev/shm", "/etc/docker", "/opt/containerd", "/var/lib/containers")
"""Folders that the programs write to whatever they are told: here each is an empty one of the sandbox's."""

# One process holds the namespaces: as the first in its process namespace it takes all others with it when it ends,
# which it does when its standard input is closed, so also when the tests are killed. Then the shell outside clears up.
# A folder below /dev/shm is mounted there again, since /dev/shm is among the hidden ones.
# Hybrid control groups are hidden because crun refuses to work with them.
HOLDER = """
set -e
case $FOLDER in /dev/shm/*) mkdir -p "$FOLDER/hidden$FOLDER"; mount --bind "$FOLDER" "$FOLDER/hidden$FOLDER";; esac
for folder in $HIDDEN; do mkdir -p "$FOLDER/hidden$folder"; mount --rbind "$FOLDER/hidden$folder" "$folder"; done
if mountpoint -q /sys/fs/cgroup/unified; then umount -l /sys/fs/cgroup/unified; fi
cd "$FOLDER" && mkdir -p try/lower try/upper try/work try/merged
if mount -t overlay none -o lowerdir=try/lower,upperdir=try/upper,workdir=try/work try/merged 2>try/errors
then umount try/merged; echo overlay; else echo copies; fi
read -r _ || true
"""
SHELL = """
made=
for folder in /opt $HIDDEN; do if [ ! -e "$folder" ]; then mkdir -p "$folder" && made="$folder $made"; fi; done
unshare --mount --propagation=private --pid --fork --kill-child --mount-proc sh -c "$HOLDER"
rm -rf "$FOLDER"
rmdir $made 2>/dev/null || true
"""

TIMEOUT = 120.0
PLENTY = 4 << 30
"""Of memory, in bytes; all of these tests together need at most 1 GiB at a time."""


class ProgramFailed(AssertionError):
    """A client ended with an error or did not end in time; says the command and all that it printed."""


@dataclass(frozen=True)
class Sandbox:
    """Runs programs in a folder of its own, without the user's logins and settings."""

    folder: Path
    holder: int
    overlay: bool
    """Whether layers can be mounted over each other here; if not, the clients must copy them, which takes long."""

    def outside(self, path: str) -> Path:
        """How the tests themselves reach a path of the sandbox's that is mounted only there."""
        return Path(f"/proc/{self.holder}/root{path}")

    @property
    def environment(self) -> dict[str, str]:
        home = self.folder / "home"
        return os.environ | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "DOCKER_CONFIG": str(home / ".docker"),
            "REGISTRY_AUTH_FILE": str(home / "auth.json"),
            "TMPDIR": str(self.folder / "temporary"),
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(self, *command: str | Path, timeout: float = TIMEOUT, env: Mapping[str, str] | None = None) -> str:
        """Run a program to its end and give what it printed on standard output.

        ProgramFailed: it ended with an error, or had to be killed after `timeout` seconds.
        """
        ended = self.attempt(*command, timeout=timeout, env=env)
        if ended.returncode != 0:
            raise ProgramFailed(_account(ended.args, f"ended with {ended.returncode}", ended.stdout, ended.stderr))
        return ended.stdout

    def attempt(
        self, *command: str | Path, timeout: float = TIMEOUT, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """As `run`, for a program that may fail: gives its exit code too.

        ProgramFailed: it had to be killed after `timeout` seconds.
        """
        return run_limited(self._entered(command), timeout, self.environment | dict(env or {}))

    def start(self, *command: str | Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a program that goes on by itself, at most as long as the sandbox; what it prints goes to `log`."""
        with log.open("wb") as sink:
            return subprocess.Popen(
                self._entered(command), stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
                env=self.environment, start_new_session=True,
            )  # fmt: skip

    def _entered(self, command: Sequence[str | Path]) -> list[str]:
        namespaces = ["nsenter", f"--target={self.holder}", "--mount", "--pid", f"--wdns={self.folder}"]
        return [*namespaces, "--", *map(str, command)]


@contextlib.contextmanager
def open_sandbox() -> Iterator[Sandbox]:
    """A sandbox in a new folder, which at the end is removed with all that is in it. Needs root."""
    folder = Path(tempfile.mkdtemp(prefix="orlop-clients-", dir=_place()))
    for part in ("home", "runtime", "temporary", "hidden"):
        (folder / part).mkdir()
    (folder / "home" / "auth.json").write_text("{}")
    with _holder(folder) as (holder, overlay):
        yield Sandbox(folder, holder, overlay)


def _place() -> str | None:
    """Memory where there is plenty, and programs may be run from there: these clients sync the disk at each step."""
    memory = "/dev/shm"
    if not os.path.ismount(memory) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return None
    available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    enough = shutil.disk_usage(memory).free > PLENTY and available and int(available[1]) * 1024 > PLENTY
    return memory if enough else None


@contextlib.contextmanager
def _holder(folder: Path) -> Iterator[tuple[int, bool]]:
    shell = subprocess.Popen(
        ["sh", "-c", SHELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"HOLDER": HOLDER, "HIDDEN": " ".join(HIDDEN), "FOLDER": str(folder)},
    )  # fmt: skip
    assert shell.stdin is not None
    assert shell.stdout is not None
    with shell:
        try:
            found = shell.stdout.readline().strip()
            assert found in ("overlay", "copies"), "the sandbox's namespaces could not be made"
            yield _only_child(_only_child(shell.pid)), found == "overlay"
        finally:
            shell.stdin.close()
            shell.wait(TIMEOUT)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def run_limited(
    command: Sequence[str], timeout: float, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. ProgramFailed: it and its children had to be killed after `timeout` seconds."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate(timeout=10)
        raise ProgramFailed(_account(command, f"was killed after {timeout:.0f} s", output, errors)) from None
    return subprocess.CompletedProcess(list(command), process.returncode, output, errors)


def _account(command: Sequence[str], end: str, output: str, errors: str) -> str:
    return f"{' '.join(command)}\n{end}; it printed:\n{output}{errors}"
