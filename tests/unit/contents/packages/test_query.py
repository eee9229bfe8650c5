import sqlite3

import pytest

from orlop.contents.packages import Package
from orlop.contents.packages.names import FOLDED_SQL, fits, folded
from orlop.contents.packages.query import parse
from orlop.domain.errors import ParameterInvalid


def package(name: str, version: str = "1", ecosystem: str = "dpkg", **more: str) -> Package:
    return Package(ecosystem=ecosystem, name=name, version=version, **more)


LIBSSL = package("libssl3", "3.0.11-1+b1", source="openssl", source_version="3.0.11-1", architecture="amd64")
LOG4J = package("org.apache.logging.log4j:log4j-core", "2.14.1", "java", source="log4j-core")


@pytest.mark.parametrize(
    ("query", "matched"),
    [
        ("libssl3", True),
        ("LibSSL3", True),
        ("libssl", False),
        ("libssl*", True),
        ("*ssl*", True),
        ("openssl", True),
        ("dpkg:openssl", True),
        ("deb:openssl", True),
        ("apk:openssl", False),
        ("openssl < 3.0.13", True),
        ("openssl<3.0.13", True),
        ("openssl >= 3.0, < 3.0.13", True),
        ("openssl >= 3.0 < 3.0.13", True),
        ("openssl>=3.0,<3.0.11", False),
        ("openssl = 3.0.11-1", True),
        ("libssl3 = 3.0.11-1", False),
        ("libssl3 == 3.0.11-1+b1", True),
        ("libssl3 != 3.0.11-1+b1", False),
        ("libssl3 = 3.0.*", True),
        ("libssl3 != 3.0.*", False),
        ("openssl > 0:3", True),
        ("pkg:deb/debian/openssl@3.0.11-1", True),
        ("pkg:deb/debian/libssl3@3.0.11-1%2Bb1?arch=amd64&distro=debian-12", True),
        ("pkg:deb/debian/libssl3?arch=arm64", False),
        ("pkg:deb/openssl<3.0.13", True),
        ("pkg:rpm/openssl", False),
    ],
)
def test_a_package_of_debian_is_found_by_its_name_or_its_source(query: str, matched: bool) -> None:
    assert parse(query).matches(LIBSSL) is matched


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("pyyaml", package("PyYAML", "6.0", "python")),
        ("pypi:ruamel_yaml >= 0.17", package("ruamel.yaml", "0.17.21", "python")),
        ("pip:zope--interface == 5!1.0", package("zope.interface", "5!1.0", "python")),
        ("pkg:pypi/pyyaml@6.0", package("PyYAML", "6", "python")),
        ("@types/node < 20", package("@types/node", "18.1.0", "npm")),
        ("pkg:npm/%40types/node@18.1.0", package("@types/node", "18.1.0", "npm")),
        ("pkg:npm/@types/node", package("@types/node", "18.1.0", "npm")),
        ("log4j-core < 2.17.1", LOG4J),
        ("org.apache.logging.log4j:log4j-core", LOG4J),
        ("maven:org.apache.logging.log4j:* < 2.15", LOG4J),
        ("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", LOG4J),
        ("golang.org/x/net < 0.17", package("golang.org/x/net", "v0.16.9", "golang")),
        ("pkg:golang/golang.org/x/net@v0.16.9", package("golang.org/x/net", "v0.16.9", "golang")),
        ("go:stdlib < 1.22", package("stdlib", "1.22rc1", "golang")),
        ("rpm:curl = 7.76.1", package("curl", "7.76.1-14.el9", "rpm")),
        ("pkg:rpm/redhat/curl@7.76.1-14.el9?epoch=2", package("curl", "2:7.76.1-14.el9", "rpm")),
        ("alpine:musl<1.2.4-r1", package("musl", "1.2.4_rc1-r3", "apk")),
    ],
)
def test_each_ecosystem_is_asked_in_its_own_words(query: str, found: Package) -> None:
    assert parse(query).matches(found)


def test_outside_of_python_separators_differ() -> None:
    assert not parse("foo_bar").matches(package("foo-bar", ecosystem="npm"))
    assert parse("foo_bar").matches(package("foo-bar", ecosystem="python"))


@pytest.mark.parametrize(
    "query",
    [
        *("", "  ", "<3", "a b", "a <", "a < 3 4", "a <> 3", "a <<3", "a=>3", "a\0", "a\u202eb"),
        *("pkg:", "pkg:deb", "pkg:deb/", "pkg:cargo/serde", "pkg:deb/a%00b", "pkg:deb/a%20b"),
        *("x" * 301, "a<" + "1" * 301, "*" * 6, "a " * 600),
    ],
)
def test_a_query_that_cannot_be_is_refused_with_the_remedy(query: str) -> None:
    with pytest.raises(ParameterInvalid) as refused:
        parse(query)
    assert len(str(refused.value)) < 300


def test_the_index_of_the_database_and_queries_fold_names_alike() -> None:
    connection = sqlite3.connect(":memory:")
    sql = f"SELECT {FOLDED_SQL.format(column='?')}"
    for name in ("PyYAML", "ruamel.yaml", "a_b.C-d", "ÄÖ_é", "@types/node", "org.x:y", "--..__"):
        assert connection.execute(sql, (name,)).fetchone() == (folded(name),)
    connection.close()


def test_the_index_of_the_database_finds_what_matches() -> None:
    connection = sqlite3.connect(":memory:")
    for query, name, ecosystem in (
        ("py*", "PyYAML", "python"),
        ("ruamel_y*", "ruamel.yaml", "python"),
        ("a[b?c*", "a[b?cd", "npm"),
        ("*", "x", "npm"),
    ):
        names = parse(query).names
        assert names.matches(ecosystem, name)
        assert connection.execute("SELECT ? GLOB ?", (folded(name), names.glob)).fetchone() == (1,)
    assert parse("a.b").names.is_exact
    assert not parse("a*").names.is_exact
    connection.close()


def test_patterns() -> None:
    assert fits("a*b*c", "abc")
    assert fits("a*b*c", "a1b2c")
    assert not fits("a*b*c", "acb")
    assert not fits("ab*ba", "aba")
    assert fits("**", "")
