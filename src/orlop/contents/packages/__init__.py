"""Which packages are in an image, from the files by which package managers remember what they installed.

A module for each ecosystem: `READER` reads one of its files, `key` puts its versions in order. The parser of layers
imports this in a small process of its own: what compares versions, and what few layers need, is imported where it is
used.
"""

from orlop.contents.packages import apk, dpkg, golang, java, npm, python, rpm
from orlop.contents.packages.package import Collector, Package, Reader

__all__ = ["Collector", "Package", "Reader", "wanted"]

_EXACT = {path: module.READER for module in (dpkg, apk, rpm) for path in module.PATHS}


def wanted(path: str) -> Reader | None:
    """What reads the file at `path` of an image, an absolute path; None where it tells of no package.

    This is asked for each file of each layer: a miss costs less than a microsecond.
    """
    folder, _, name = path.rpartition("/")
    if name == "package.json":
        return npm.READER if npm.is_installed(folder) else None
    if name in python.NAMES or name.endswith(".egg-info"):
        return python.READER if python.is_installed(folder, name) else None
    if folder == dpkg.FOLDER:
        return dpkg.READER if dpkg.is_status(name) else None
    if name.endswith(java.ENDINGS):
        return java.READER
    return _EXACT.get(path) or (golang.READER if golang.may_be_program(path, name) else None)
