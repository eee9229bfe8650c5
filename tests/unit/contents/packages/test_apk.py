from tests.unit.contents.packages.reading import read, versions

INSTALLED = b"""C:Q1eVpkasfqZAukAXFYbgwt4xAMZWU=
P:libcrypto3
V:3.1.4-r5
A:x86_64
S:1710000
T:Crypto library from openssl
o:openssl
m:Someone <someone@example.com>
F:lib
R:libcrypto.so.3
a:0:0:755
Z:Q1kM6Ns3T0qYnY6cMXHJJTg6GzKxk=

C:Q1xyz=
P:musl
V:1.2.4_git20230717-r4
A:x86_64
o:musl
"""


def test_packages_have_version_architecture_and_origin() -> None:
    for path in ("/lib/apk/db/installed", "/usr/lib/apk/db/installed"):
        first, second = read(path, INSTALLED)
        assert (first.ecosystem, first.name, first.version) == ("apk", "libcrypto3", "3.1.4-r5")
        assert (first.architecture, first.source, first.source_version) == ("x86_64", "openssl", "3.1.4-r5")
        assert (second.name, second.version, second.path) == ("musl", "1.2.4_git20230717-r4", path)


def test_what_is_damaged_is_left_out_and_the_rest_is_not() -> None:
    damaged = b"P:a\n\nV:1\n\nP:b\x00\nV:1\n\nP:" + b"c" * 301 + b"\nV:1\n\n\n\n:\n::\nF:x\n\n"
    assert versions("/lib/apk/db/installed", damaged + INSTALLED) == [
        ("libcrypto3", "3.1.4-r5"),
        ("musl", "1.2.4_git20230717-r4"),
    ]
