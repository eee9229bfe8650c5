"""How much of a layer is looked at. A layer beyond one of these is unindexable, and is not tried again."""

import msgspec

from orlop.domain import compression


class Limits(msgspec.Struct, frozen=True):
    """Sizes in bytes, times in seconds."""

    entries: int = 1_000_000
    name: int = 4096
    """Of one path, as Linux has it (PATH_MAX)."""
    paths: int = 256 << 20
    """Of all paths, link targets, extended attributes and maps of sparse files together."""
    pax: int = 1 << 20
    """Of the extended headers of one entry."""
    unpacked: int = 64 << 30
    """Of the archive, and of the content of its entries with the holes of sparse files."""
    ratio: int = 2000
    """Bytes out for each byte in, from 256 MiB on. Gzip cannot do more than 1032."""
    streams: int = 1_000_000
    """Streams or frames in a row."""
    window: int = 128 << 20
    """Of zstd."""
    seconds: float = 900.0
    """From the first byte to the last."""
    cpu: int = 600
    """Seconds of processor time."""
    memory: int = 256 << 20
    packages: int = 100_000
    """Packages that are told of one layer."""

    @property
    def compression(self) -> compression.Limits:
        """Those of unpacking, in its own terms."""
        log = self.window.bit_length() - 1
        return compression.Limits(
            bytes_out=self.unpacked, ratio=self.ratio, streams=self.streams, zstd_window_log=min(max(10, log), 31)
        )
