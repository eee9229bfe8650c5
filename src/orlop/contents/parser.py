"""The process that reads one layer: its bytes on standard input, their table of contents on standard output.

    python -m orlop.contents.parser LIMITS_AS_JSON

It ends with 0; or with UNINDEXABLE where the layer is damaged or beyond a limit, and one line `{"error": "…"}` on
standard error. It is started for each layer, so it imports little; and whatever a layer does to it, it has no more to
lose than the layer: `orlop.contents.sandbox` starts it, `orlop.contents.confinement` locks it in.
"""

import errno
import hashlib
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from orlop.contents import confinement
from orlop.contents.archive import Archive
from orlop.contents.limits import Limits
from orlop.contents.packages import Collector, Package, wanted
from orlop.contents.toc import TocWriter
from orlop.contents.unpacking import Source, Unpacking
from orlop.domain.errors import LayerInvalid, Unsupported

UNINDEXABLE = 3
"""The exit code where it would not go better another time."""

_BUFFER = 256 << 10

_MIB = 1 << 20


def main(argument: str) -> int:
    limits = msgspec.json.decode(argument, type=Limits)
    confinement.confine(limits)
    try:
        with open(0, "rb", buffering=0, closefd=False) as source, open(1, "wb", _BUFFER, closefd=False) as output:
            index(source, output, limits)
    except (LayerInvalid, Unsupported, MemoryError) as error:
        reason = _reason(error, limits)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        reason = f"the layer's table of contents is larger than {confinement.OUTPUT} bytes"
    else:
        return 0
    sys.stderr.write(msgspec.json.encode({"error": reason}).decode("ascii", "replace") + "\n")
    return UNINDEXABLE


def _reason(error: Exception, limits: Limits) -> str:
    # zstd has its own way to say it.
    if isinstance(error, MemoryError) or "not enough memory" in str(error.__cause__):
        return f"the layer cannot be read in {limits.memory // _MIB} MiB of memory"
    return str(error)


def index(source: Source, output: BinaryIO, limits: Limits) -> None:
    """LayerInvalid where the layer is damaged or beyond a limit; Unsupported; what `source` and `output` raise."""
    writer = TocWriter(output)
    unpacking = Unpacking(source, limits, lambda checkpoint: writer.add_checkpoint(*checkpoint))
    archive_digest = hashlib.sha256()
    packages = _Packages()
    for entry in Archive(_hashed(unpacking, archive_digest.update), limits, packages.wanted).entries():
        writer.add(entry)
        for package in packages.of_last_file():
            if writer.packages == limits.packages:
                raise LayerInvalid(f"the layer has more than {limits.packages} packages")
            writer.add_package(package)
    writer.finish(
        compression=unpacking.format,
        size=unpacking.size,
        unpacked=unpacking.unpacked,
        diff_id=f"sha256:{archive_digest.hexdigest()}",
        frames=unpacking.frames,
    )


def _hashed(pieces: Unpacking, update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece


class _Packages:
    """Has files read that tell of packages. No failure of that is one of the layer."""

    def __init__(self) -> None:
        self._collector: Collector | None = None

    def wanted(self, path: str) -> "_Packages | None":
        reader = wanted(path)
        if reader is None:
            return None
        self._collector = reader.collector(path)
        return self

    def feed(self, piece: bytes | memoryview) -> None:
        if self._collector is not None:
            try:
                self._collector.feed(piece)
            except Exception:  # noqa: BLE001  # whatever is in the file
                self._collector = None

    def of_last_file(self) -> Iterator[Package]:
        if self._collector is None:
            return
        collector, self._collector = self._collector, None
        try:
            yield from collector.packages()
        except LayerInvalid:
            raise
        except Exception:  # noqa: BLE001  # whatever is in the file
            return


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
