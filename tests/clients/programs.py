"""The programs that each group of these tests needs; `tests/packages.txt` names the Debian packages that have them."""

import os

from tests.left_out import leave_out, missing_programs

ALWAYS = ("unshare", "nsenter", "mmdebstrap", "apt-get", "dpkg", "buildah", "skopeo")
"""What makes the sandbox and the real image: needed by every group."""

PROGRAMS = {
    "skopeo": (),
    "podman": ("podman",),
    "buildah": (),
    "umoci": ("umoci",),
    "docker": ("dockerd", "docker"),
    "containerd": ("containerd", "ctr"),
    "curl": ("curl",),
    "oras": (),
    "HTTPS": ("podman", "containerd", "ctr", "dockerd", "docker", "openssl"),
    "nginx": ("nginx", "curl", "openssl"),
    "v1": ("umoci", "podman", "dockerd", "docker"),
    "v1 by npm": ("node", "npm"),
    "the container": ("podman", "curl"),
    "the how-to": ("podman", "containerd", "ctr", "dockerd", "docker", "curl"),
}


def demand(group: str) -> None:
    """Leave this group of tests out, or let it fail where all must run, if the machine lacks what it needs."""
    if os.geteuid() != 0:
        leave_out(group, "clients get namespaces and mounts of their own: run the tests as root")
    if reason := missing_programs(*ALWAYS, *PROGRAMS[group]):
        leave_out(group, reason)
