"""The layers that are looked into: real files of this machine, and made ones where a number of files is wanted."""

import gzip
import io
import os
import random
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from orlop.contents.entry import Entry

FOLDERS = ("usr/bin", "usr/lib", "usr/share")


def real(folder: Path, size: int) -> tuple[Path, int]:
    """A gzip of a tar of about `size` bytes of this machine's own files, and the tar's size."""
    packed, unpacked, taken = folder / "real.tar.gz", 0, []
    for top in FOLDERS:
        for root, _, names in os.walk(f"/{top}"):
            for name in sorted(names):
                path = Path(root, name)
                if unpacked < size and path.is_file() and not path.is_symlink():
                    unpacked += path.stat().st_size
                    taken.append(str(path).removeprefix("/"))
    listed = folder / "taken"
    listed.write_text("\n".join(taken))
    plain = folder / "real.tar"
    subprocess.run(["tar", "-C", "/", "-cf", plain, "-T", listed], check=True, stderr=subprocess.DEVNULL)
    with packed.open("wb") as file:
        subprocess.run(["gzip", "-6", "-c", plain], check=True, stdout=file)
    unpacked = plain.stat().st_size
    plain.unlink()
    return packed, unpacked


def of_files(files: dict[str, bytes]) -> bytes:
    """A layer with these files, as a gzip."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as out, tarfile.open(fileobj=out, mode="w|") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def of_many(path: Path, count: int) -> None:
    """A layer of `count` empty files with real names, as a gzip."""
    with gzip.open(path, "wb", compresslevel=1) as out, tarfile.open(fileobj=out, mode="w|") as tar:
        for entry in made_entries(0, count):
            tar.addfile(tarfile.TarInfo(entry.path.removeprefix("/")))


def made_entries(seed: int, count: int) -> Iterator[Entry]:
    """Entries with paths that look like those of real images; every seed gives others."""
    chance = random.Random(seed)
    words = [
        "lib",
        "python3",
        "share",
        "doc",
        "node_modules",
        "ssl",
        "include",
        "linux",
        "test",
        "util",
        "data",
        "core",
    ]
    folders = ["/usr/lib", "/usr/share", "/opt/app", "/usr/local/lib"]
    folder = folders[0]
    for number in range(count):
        if number % 40 == 0:
            parts = "/".join(f"{chance.choice(words)}{chance.randrange(400)}" for _ in range(chance.randrange(1, 5)))
            folder = f"{chance.choice(folders)}/{parts}"
        name = f"{chance.choice(words)}_{chance.choice(words)}-{seed}.{number}.so"
        yield Entry(path=f"{folder}/{name}", size=number, mode=0o644, mtime=1_700_000_000)
