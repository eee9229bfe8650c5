"""Tarsums: checksums over what an archive says, not over its bytes, so that it may be packed anew on its way.

Each member has a sum, over the fields of its header and its content; the sum of the archive is over the image's JSON
and the members' sums, in their order as texts. Where a path comes more than once, clients differ:

- `tarsum` was sent alone, and needed, only by clients before docker 0.10; they kept the sums by path, so the last
  member of a path counts. (Later clients count each one, and send a payload checksum beside it, which is what counts.)
- `tarsum.v1` and `tarsum.dev` are by clients that count every member; those of one path keep the archive's order.
"""

import hashlib
from collections.abc import Iterable, Iterator

from orlop.domain.errors import LayerInvalid
from orlop.domain.v1.archive import Archive, Member
from orlop.domain.v1.checksums import TARSUM, TARSUM_DEV, TARSUM_V1, Checksum

MAX_MEMBERS = 500_000
"""What is kept for each is about 400 bytes."""


def tarsums(pieces: Iterable[bytes], image_json: bytes) -> dict[str, Checksum]:
    """The tarsums of the unpacked archive in `pieces` by label; all of it is read. LayerInvalid as `Archive` has it."""
    sums = _Sums()
    archive = Archive(pieces)
    for member in archive.members():
        v0 = hashlib.sha256(_fields(member, mtime=True))
        v1 = hashlib.sha256(_fields(member, mtime=False) + _xattrs(member))
        for portion in archive.content():
            v0.update(portion)
            v1.update(portion)
        sums.add(member.name, v0.digest(), v1.digest())
    every = _over(image_json, sums.of_members())
    return {
        TARSUM: Checksum.of(TARSUM, _over(image_json, sums.of_paths())),
        TARSUM_V1: Checksum.of(TARSUM_V1, every),
        TARSUM_DEV: Checksum.of(TARSUM_DEV, every),
    }


def is_empty_tar(pieces: Iterable[bytes]) -> bool:
    """Whether the unpacked archive in `pieces` has no member; no bytes at all are an empty one too.

    Reads no further than its first member. LayerInvalid where it is no archive.
    """
    return next(Archive(pieces).members(), None) is None


class _Sums:
    """The sums of the members so far. Paths are kept as digests, for they may be as long as an archive likes."""

    def __init__(self) -> None:
        self._by_path: dict[bytes, bytes] = {}  # v0, behind the number of the path's first member
        self._by_number: list[bytes] = []  # v1
        self._repeated: dict[bytes, list[int]] = {}

    def add(self, name: bytes, v0: bytes, v1: bytes) -> None:
        number = len(self._by_number)
        if number == MAX_MEMBERS:
            raise LayerInvalid(f"the archive has more than {MAX_MEMBERS} members")
        path = hashlib.sha256(name.removeprefix(b"./").removesuffix(b"/")).digest()[:16]
        first = number.to_bytes(4)
        if (earlier := self._by_path.get(path)) is not None:
            first = earlier[:4]
            self._repeated.setdefault(path, [int.from_bytes(first)]).append(number)
        self._by_path[path] = first + v0
        self._by_number.append(v1)

    def of_paths(self) -> Iterator[bytes]:
        return iter(sorted(kept[4:] for kept in self._by_path.values()))

    def of_members(self) -> Iterator[bytes]:
        """In the order of the sums; but the members of one path take their places in the archive's order."""
        numbers = sorted(range(len(self._by_number)), key=self._by_number.__getitem__)
        if self._repeated:
            place_of = {number: place for place, number in enumerate(numbers)}
            for same in self._repeated.values():
                places = sorted(place_of[number] for number in same)
                for place, number in zip(places, same, strict=True):
                    numbers[place] = number
        return (self._by_number[number] for number in numbers)


def _fields(member: Member, *, mtime: bool) -> bytes:
    time = b"mtime%d" % member.mtime if mtime else b""
    return b"name%bmode%duid%dgid%dsize%d%btypeflag%blinkname%buname%bgname%bdevmajor%ddevminor%d" % (
        member.name,
        member.mode,
        member.uid,
        member.gid,
        member.size,
        time,
        member.typeflag,
        member.linkname,
        member.uname,
        member.gname,
        member.devmajor,
        member.devminor,
    )


def _xattrs(member: Member) -> bytes:
    return b"".join(name + value for name, value in sorted(member.xattrs.items()))


def _over(image_json: bytes, sums: Iterable[bytes]) -> str:
    hasher = hashlib.sha256(image_json)
    for member in sums:
        hasher.update(member.hex().encode("ascii"))
    return hasher.hexdigest()
