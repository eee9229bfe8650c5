"""Tarsums, made from what Python's own reader finds in an archive: another way than the registry's."""

import hashlib
import io
import tarfile

_XATTR = "SCHILY.xattr."


def tarsum_of(image_json: bytes, archive: bytes, label: str = "tarsum+sha256") -> str:
    """`archive` without compression; `label` with `tarsum`, `tarsum.v1` or `tarsum.dev`."""
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            fields: list[tuple[str, object]] = [
                ("name", f"{member.name}/" if member.isdir() else member.name), ("mode", member.mode),
                ("uid", member.uid), ("gid", member.gid), ("size", member.size), ("mtime", int(member.mtime)),
                ("typeflag", member.type.decode()), ("linkname", member.linkname), ("uname", member.uname),
                ("gname", member.gname), ("devmajor", member.devmajor), ("devminor", member.devminor),
            ]  # fmt: skip
            if not label.startswith("tarsum+"):
                fields = [field for field in fields if field[0] != "mtime"]
                xattrs = [(key, value) for key, value in member.pax_headers.items() if key.startswith(_XATTR)]
                fields += sorted((key.removeprefix(_XATTR), value) for key, value in xattrs)
            hashed = hashlib.sha256("".join(f"{key}{value}" for key, value in fields).encode())
            file = tar.extractfile(member) if member.isreg() else None
            hashed.update(file.read() if file is not None else b"")
            sums[member.name] = hashed.hexdigest()
    total = hashlib.sha256(image_json + "".join(sorted(sums.values())).encode()).hexdigest()
    return f"{label}:{total}"
