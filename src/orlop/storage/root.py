"""Opening the root folder of a local store: what makes a file system unfit for it, and what to do about that."""

import errno
import os
from pathlib import Path

from orlop.domain.errors import StoreRefused
from orlop.storage import kernel, temporaries

_NETWORK_MAGIC = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFE534D42: "SMB2",
    0xFF534D42: "CIFS",
    0x00C36400: "Ceph",
    0x5346414F: "AFS",
    0x0BD00BD0: "Lustre",
}
_FUSE_MAGIC = 0x65735546

_MOUNTS = Path("/proc/self/mountinfo")

# FUSE also carries local file systems; the mount table names the program.
_NETWORK_FUSE = (
    "sshfs", "s3fs", "goofys", "mount-s3", "mountpoint-s3", "gcsfuse", "blobfuse", "blobfuse2", "rclone", "glusterfs",
    "ceph", "ceph-fuse", "davfs", "davfs2", "juicefs", "seaweedfs", "moosefs", "mfs", "curlftpfs", "smbnetfs", "cvmfs",
    "nfs", "ipfs", "geesefs", "hdfs", "fuse_dfs",
)  # fmt: skip


def open_root(root: str, *, allow_network_filesystem: bool) -> int:
    """Return a descriptor of the folder, made if it is missing; StoreRefused if it can't be or is unfit."""
    try:
        _make(Path(root))
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(root, error) from error
    kind = _network_kind(descriptor)
    if kind and not allow_network_filesystem:
        os.close(descriptor)
        raise StoreRefused(
            f"{root} is on a network file system ({kind}), where locks and renames may not hold:"
            " choose a local disk, or set storage.allow_network_filesystem"
        )
    return descriptor


def open_temporaries(root: str, descriptor: int) -> temporaries.Temporaries:
    """Open a session in the root; StoreRefused if it can't be written or takes `A` for `a`."""
    try:
        session = temporaries.Temporaries(descriptor)
    except OSError as error:
        raise _refused(root, error) from error
    if _ignores_case(descriptor):
        session.close()
        raise StoreRefused(
            f"{root} is on a case-insensitive file system, where the tags `A` and `a` would be one:"
            " choose a folder on a case-sensitive one"
        )
    return session


def _make(root: Path) -> None:
    """Make the folder and those above it that are missing, durably. Private: images needn't be everybody's."""
    if root.is_dir():
        return
    _make(root.parent)
    root.mkdir(mode=0o700, exist_ok=True)
    parent = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _refused(root: str, error: OSError) -> StoreRefused:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return StoreRefused(f"{root} is not a folder: set storage.url to another one")
    remedy = f"give user {os.geteuid()} the right to write there"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "make room there"
    return StoreRefused(f"{root} can't be written ({error.strerror}): {remedy}, or set storage.url to another folder")


def _ignores_case(descriptor: int) -> bool:
    own = os.stat(temporaries.FOLDER, dir_fd=descriptor)
    try:
        return os.path.samestat(own, os.stat(temporaries.FOLDER.upper(), dir_fd=descriptor))
    except FileNotFoundError:
        return False


def _network_kind(descriptor: int) -> str:
    """The network file system's name, or nothing."""
    magic = kernel.file_system_magic(descriptor)
    if magic != _FUSE_MAGIC:
        return _NETWORK_MAGIC.get(magic, "")
    program = _fuse_program(os.fstat(descriptor))
    return program if program in _NETWORK_FUSE else ""


def _fuse_program(status: os.stat_result) -> str:
    """Which program serves a FUSE mount: `sshfs` for the mount type `fuse.sshfs`, as proc(5) mountinfo has it."""
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    for line in _MOUNTS.read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == device:
            return after.split()[0].removeprefix("fuse.")
    return ""
