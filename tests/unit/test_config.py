"""Settings from a file, the environment and options: which wins, and what is said about mistakes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.config import ConfigurationError, FreeFloor, Settings, check_exposure, load, load_with_origins, sources
from orlop.config.fields import FIELDS, VARIABLES
from orlop.config.kinds import Choice, Duration, Flag, Floor, Listen, Number, Retentions, Size, Texts
from orlop.config.show import as_toml, shown

NO_FILE = {"ORLOP_CONFIG": ""}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orlop.toml"


def problems(
    path: Path | None = None, environment: Mapping[str, str] = NO_FILE, options: Mapping[str, object] | None = None
) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(path, environment, options or {})
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return caught.value.problems


def test_without_any_source_all_is_default() -> None:
    assert load(None, NO_FILE, {}) == Settings()


def test_options_win_over_the_environment_and_that_over_the_file(file: Path) -> None:
    file.write_text('listen = "127.0.0.1:1"\ndata = "file"\npublic_url = "https://file"\n')
    environment = {"ORLOP_LISTEN": "127.0.0.1:2", "ORLOP_DATA": "environment"}
    loaded = load_with_origins(file, environment, {"listen": "127.0.0.1:3", "data": None})
    settings = loaded.settings
    assert (settings.listen, settings.data, settings.public_url) == ("127.0.0.1:3", "environment", "https://file")
    origins = {key: loaded.origins[key] for key in ("listen", "data", "public_url", "tls.cert")}
    assert origins == {"listen": "--listen", "data": "ORLOP_DATA", "public_url": f"{file}:3", "tls.cert": "default"}


def test_each_setting_can_come_from_a_section_a_variable_or_an_option(file: Path) -> None:
    file.write_text('[limits]\nmanifest_size = "8MiB"\nlease = 3600\n[storage]\nfree_floor = "10%"\n')
    settings = load(file, {"ORLOP_LIMITS_LEASE": "2h", "ORLOP_LOG_FORMAT": "json"}, {"storage.url": "memory:"})
    assert settings.limits.manifest_size == 8 << 20
    assert settings.limits.lease == 7200.0
    assert settings.storage.free_floor == FreeFloor(percent=10.0)
    assert settings.log.format == "json"
    assert settings.storage.url == "memory:"


def test_the_file_is_the_one_named_else_the_variables_else_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("option", "variable", "system"):
        (tmp_path / name).write_text(f'data = "{name}"')
    monkeypatch.setattr(sources, "SYSTEM_FILE", tmp_path / "system")
    variable = {"ORLOP_CONFIG": str(tmp_path / "variable")}
    assert load(tmp_path / "option", variable, {}).data == "option"
    assert load(None, variable, {}).data == "variable"
    assert load(None, {}, {}).data == "system"
    assert load(None, NO_FILE, {}).data == "./data"
    monkeypatch.setattr(sources, "SYSTEM_FILE", tmp_path / "absent")
    assert load(None, {}, {}).data == "./data"


def test_a_file_in_the_working_directory_is_not_read_unless_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orlop.toml").write_text('data = "surprise"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "SYSTEM_FILE", tmp_path / "absent")
    assert load(None, {}, {}).data == "./data"


def test_an_empty_variable_counts_as_not_set(file: Path) -> None:
    file.write_text('data = "file"')
    assert load(file, {"ORLOP_DATA": ""}, {}).data == "file"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[storage]\nulr = "x"', "{file}:2: unknown setting storage.ulr; did you mean storage.url?"),
        ('lissen = "x"', "{file}:1: unknown setting lissen; did you mean listen?"),
        ("\n[storag]\nurl = 1", "{file}:3: unknown setting storag.url; did you mean storage.url?"),
        ("zzz = 1", "{file}:1: unknown setting zzz; `orlop config show` lists all settings"),
        ("tls = 1", "{file}:1: tls is a section; write [tls] and its settings below"),
        ("[storage.url]\na = 1", '{file}: storage.url = {{"a": 1}}: must be text in quotes'),
        ("[tls]\ncert.key = 1", '{file}: tls.cert = {{"key": 1}}: must be text in quotes'),
        ("listen = 5000", "{file}:1: listen = 5000: must be text in quotes"),
        ("[limits]\nsparse = 1", "{file}:2: limits.sparse = 1: must be true or false"),
        ("[limits]\nmanifest_size = -1", "{file}:2: limits.manifest_size = -1: must not be negative"),
        ("[limits]\nmanifest_size = 0", "{file}:2: limits.manifest_size = 0: must be from 1KiB to 64MiB"),
        ("[limits]\nlease = 0", "{file}:2: limits.lease = 0: must be more than 0"),
        ('[log]\nlevel = "loud"', '{file}:2: log.level = "loud": must be one of debug, info, warning, error'),
        ('[access]\nmode = "users"', '{file}:2: access.mode = "users": must be one of open, accounts'),
        ('[access]\nrules = "x"', "{file}:2: access.rules = \"x\": 'x' is no rule: write WHO may ACTIONS on PATTERN"),
        ("[access]\nrules = 1", '{file}:2: access.rules = 1: must be a list, as ["…", "…"]'),
        ('[access]\ntoken_lifetime = "1h"', '{file}:2: access.token_lifetime = "1h": must be 15m at most'),
        ("[audit]\nentries = -1", "{file}:2: audit.entries = -1: must be from 0 to 1000000000"),
        ("[audit]\nentries = true", "{file}:2: audit.entries = true: must be a whole number"),
        ('[access]\nservice = "a b"', '{file}:2: access.service = "a b": must be letters, digits and . _ : / - only'),
        ('data = ""', '{file}:1: data = "": must not be empty; leave the setting out for its default'),
        ("data = 2020-01-01", '{file}:1: data = "2020-01-01": must be text in quotes'),
        ('tls.cert = "a.pem"', "{file}:1: tls.cert is set without tls.key; set both or neither"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_its_place(file: Path, text: str, problem: str) -> None:
    file.write_text(text)
    assert problems(file) == (problem.format(file=file),)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("ORLOP_STORAGE_ULR", "x", "ORLOP_STORAGE_ULR: unknown variable; did you mean ORLOP_STORAGE_URL?"),
        ("ORLOP_STORAGE_ULR", "", "ORLOP_STORAGE_ULR: unknown variable; did you mean ORLOP_STORAGE_URL?"),
        ("ORLOP_CONFG", "x", "ORLOP_CONFG: unknown variable; did you mean ORLOP_CONFIG?"),
        ("ORLOP_PORT", "5000", "ORLOP_PORT: unknown variable; `orlop config show` lists all settings"),
        ("ORLOP_LIMITS_SPARSE", "maybe", 'ORLOP_LIMITS_SPARSE: limits.sparse = "maybe": must be true or false'),
    ],
)
def test_a_mistake_in_the_environment_is_one_line_with_the_variable(variable: str, value: str, problem: str) -> None:
    assert problems(environment=NO_FILE | {variable: value}) == (problem,)


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    file.write_text('data = ""\nfoo = 1')
    found = problems(file, {"ORLOP_FOO": "1"}, {"listen": "127.0.0.1:70000"})
    assert [problem.partition(": ")[0] for problem in found] == ["ORLOP_FOO", f"{file}:2", f"{file}:1", "--listen"]


def test_an_overridden_value_must_be_right_too(file: Path) -> None:
    file.write_text('listen = "5000"')
    assert problems(file, NO_FILE, {"listen": "127.0.0.1:5000"})[0].startswith(f"{file}:1: listen")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("listen = ")
    latin = tmp_path / "latin"
    latin.write_bytes(b'data = "\xe9"')
    assert problems(tmp_path / "absent") == (f"{tmp_path}/absent: cannot be read: No such file or directory",)
    assert problems(tmp_path) == (f"{tmp_path}: cannot be read: Is a directory",)
    assert problems(broken) == (f"{broken}: is not TOML: Invalid value (at end of document)",)
    assert problems(latin) == (f"{latin}: is not UTF-8",)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORLOP_PORT", "tcp://10.0.0.1:5000"),
        ("ORLOP_SERVICE_HOST", "10.0.0.1"),
        ("ORLOP_SERVICE_PORT", "5000"),
        ("ORLOP_SERVICE_PORT_HTTP", "5000"),
        ("ORLOP_PORT_5000_TCP", "tcp://10.0.0.1:5000"),
        ("ORLOP_PORT_5000_TCP_ADDR", "10.0.0.1"),
        ("ORLOP_WEB_SERVICE_HOST", "10.0.0.1"),
        ("ORLOP_WEB_PORT", "tcp://10.0.0.1:5000"),
    ],
)
def test_what_kubernetes_adds_beside_a_service_called_orlop_is_no_mistake(variable: str, value: str) -> None:
    assert load(None, NO_FILE | {variable: value}, {}) == Settings()


@pytest.mark.parametrize("url", ["https://r.example.com", "http://10.0.0.1:8080", "https://[::1]:5000", "http://[::1]"])
def test_the_public_url_is_a_scheme_and_a_host(url: str) -> None:
    assert load(None, NO_FILE, {"public_url": url}).public_url == url
    assert load(None, NO_FILE, {"public_url": f"{url}/"}).public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "r.example.com",
        "ftp://r.example.com",
        "https://",
        "https:///v2",
        "https://r.example.com/registry",
        "https://r.example.com?a=b",
        "https://r.example.com#a",
        "https://user:secret@r.example.com",
        "https://r.example.com:70000",
        "https://r.example.com:x",
        "https://r.exa mple.com",
        "https://r.example.com\r\nX: y",
        "https://[::1",
        "https://éxample.com",
        "javascript://x",
    ],
)
def test_other_public_urls_are_refused_and_no_password_is_shown(url: str) -> None:
    (problem,) = problems(options={"public_url": url})
    assert problem.startswith("--public-url: public_url = ")
    assert "secret" not in problem


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("storage.url", "/var/lib/orlop", "write file:PATH or memory:"),
        ("storage.url", "s3://bucket", "write file:PATH or memory:"),
        ("storage.url", "memory:x", "write file:PATH or memory:"),
        ("storage.url", "file:", "write file:PATH"),
        ("storage.url", "file:///srv", "write file:/srv"),
        ("database.url", "orlop.db", "write sqlite:PATH"),
        ("database.url", "sqlite:///orlop.db", "write sqlite:/orlop.db"),
        ("database.url", "mysql://u:secret@h/d", "write sqlite:PATH"),
        ("database.url", "postgresql://u:secret@h/d", "PostgreSQL is not built yet"),
        ("database.url", "postgresql+psycopg://u:secret@h/d", "PostgreSQL is not built yet"),
    ],
)
def test_other_stores_are_refused_with_what_to_write(key: str, value: str, remedy: str) -> None:
    (problem,) = problems(options={key: value})
    assert remedy in problem
    assert "secret" not in problem


def test_where_the_store_and_the_database_are_follows_from_the_data_folder() -> None:
    settings = load(None, NO_FILE, {"data": "/srv/orlop"})
    assert (settings.storage_url, settings.database_url) == ("file:/srv/orlop/store", "sqlite:/srv/orlop/orlop.db")
    settings = load(None, NO_FILE, {"storage.url": "memory:"})
    assert (settings.storage_url, settings.database_url) == ("memory:", "sqlite:")
    settings = load(None, NO_FILE, {"storage.url": "file:/a", "database.url": "sqlite:b/c.db"})
    assert (settings.storage_url, settings.database_url) == ("file:/a", "sqlite:b/c.db")


def test_metrics_need_an_address_of_their_own_or_none() -> None:
    same = {"listen": "[::1]:5000", "metrics.listen": "[0:0::1]:5000"}
    (problem,) = problems(options=same)
    assert problem.startswith("--metrics-listen: metrics.listen is the same address as listen; leave it out")
    free = load(None, NO_FILE, {"listen": "127.0.0.1:0", "metrics.listen": "127.0.0.1:0"})
    assert str(free.metrics_address) == "127.0.0.1:0"
    assert Settings().metrics_address is None


@pytest.mark.parametrize("listen", ["0.0.0.0:5000", "[::]:5000", "10.1.2.3:5000", "registry.example.com:5000"])
def test_an_open_registry_is_not_shown_beyond_this_machine_unless_meant(listen: str) -> None:
    settings = load(None, NO_FILE, {"listen": listen})
    with pytest.raises(
        ConfigurationError, match=r"127\.0\.0\.1:5000, set access\.mode to accounts, or pass --allow-anonymous-push"
    ):
        check_exposure(settings)
    check_exposure(load(None, NO_FILE, {"listen": listen, "allow_anonymous_push": True}))
    check_exposure(load(None, NO_FILE, {"listen": listen, "access.mode": "accounts"}))


@pytest.mark.parametrize("listen", ["127.0.0.1:5000", "[::1]:5000", "localhost:5000"])
def test_an_open_registry_is_served_on_loopback(listen: str) -> None:
    check_exposure(load(None, NO_FILE, {"listen": listen}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('retention = "30d"', "is no rule: write PATTERN untagged AGE"),
        ("retention = 3", r"must be tables: write \[\[retention\]\]"),
        ("[[retention]]\nrepositories = 'a'", "a rule lacks untagged"),
        ("[[retention]]\nuntagged = '1d'", "a rule lacks repositories"),
        ("[[retention]]\nrepositories = 'a'\nuntaged = '1d'", "has repositories and untagged, but no untaged"),
        ("[[retention]]\nrepositories = 'A'\nuntagged = '1d'", "is no pattern"),
        ("[[retention]]\nrepositories = 3\nuntagged = '1d'", "must be text"),
        ("[[retention]]\nrepositories = '{account}/**'\nuntagged = '1d'", "is nobody's"),
        ("[[retention]]\nrepositories = 'a'\nuntagged = '0s'", "write never for what is to stay"),
        ("[[retention]]\nrepositories = 'a'\nuntagged = 'soon'", "retention"),
        ("[retention]\nrepositories = 'a'\nuntagged = '1d'", "retention"),
    ],
)
def test_a_rule_of_retention_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "orlop.toml"
    file.write_text(f'data = "x"\n{text}\n')
    with pytest.raises(ConfigurationError, match=problem) as refusal:
        load(file, NO_FILE, {})
    assert f"{file}:" in str(refusal.value)


def test_rules_of_retention_are_tables_or_texts(tmp_path: Path) -> None:
    file = tmp_path / "orlop.toml"
    file.write_text(
        '[[retention]]\nrepositories = "ci/**"\nuntagged = "30d"\n'
        '[[retention]]\nrepositories = "**"\nuntagged = "never"'
    )
    in_file = load(file, NO_FILE, {}).retention
    assert [(rule.pattern.text, rule.untagged) for rule in in_file] == [("ci/**", 30 * 86400), ("**", None)]
    assert load(None, {**NO_FILE, "ORLOP_RETENTION": "ci/** untagged 30d; ** untagged never"}, {}).retention == in_file


SAMPLES = {
    "public_url": ["", "https://r.example.com", "http://[::1]:5000"],
    "storage.url": ["", "memory:", "file:/a b", 'file:"quoted"\\'],
    "database.url": ["", "sqlite:/a b.db", "sqlite:ü\x7f#.db"],
    "access.rules": ["anyone may pull on **", "group:a may push, delete on {account}/x-*"],
    "access.service": ["", "registry.example.com:5000"],
    "retention": ["ci/** untagged 30d", "** untagged never", {"repositories": "a/*", "untagged": "1h"}],
    "trusted_proxies": ["10.0.0.0/8", "::1", "192.0.2.1"],
}


def values(key: str) -> st.SearchStrategy[Any]:
    """Values of a setting as someone may write them."""
    kind = FIELDS[key].kind
    if isinstance(kind, Choice):
        return st.sampled_from(kind.choices)
    if isinstance(kind, Flag):
        return st.booleans()
    if isinstance(kind, Size | Number):
        return st.integers(kind.smallest, kind.largest)
    if isinstance(kind, Duration):
        return st.integers(1, 10**9 if kind.longest is None else int(kind.longest * 1000)).map(lambda n: n / 1000)
    if isinstance(kind, Texts | Retentions):
        return st.lists(st.sampled_from(SAMPLES[key]))
    if isinstance(kind, Floor):
        return st.one_of(st.integers(0, 1 << 50), st.integers(0, 100).map(lambda n: f"{n}%"))
    if isinstance(kind, Listen):
        return st.integers(1, 65535).map(lambda port: f"127.0.0.{2 if 'metrics' in key else 1}:{port}")
    if key in SAMPLES:
        return st.sampled_from(SAMPLES[key])
    return st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1)


@given(st.fixed_dictionaries({key: values(key) for key in FIELDS}))
def test_what_is_shown_gives_the_same_settings_again(tmp_path_factory: pytest.TempPathFactory, given: Any) -> None:
    loaded = load_with_origins(None, NO_FILE, given)
    file = tmp_path_factory.getbasetemp() / "shown.toml"
    file.write_text(as_toml(loaded), encoding="utf-8")
    again = load(file, {}, {})
    assert shown(again) == shown(loaded.settings)
    assert again.limits == loaded.settings.limits
    assert again.storage.free_floor == loaded.settings.storage.free_floor


@given(st.sampled_from(sorted(VARIABLES)), st.text())
def test_no_text_in_a_variable_is_worse_than_a_problem(variable: str, text: str) -> None:
    try:
        load(None, NO_FILE | {variable: text}, {})
    except ConfigurationError as error:
        assert all(variable in problem for problem in error.problems)


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "tls", "x"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists),
    )
)
def test_no_value_of_an_option_is_worse_than_a_problem(options: dict[str, Any]) -> None:
    known = {key: value for key, value in options.items() if key in FIELDS}
    try:
        settings = load(None, NO_FILE, known)
    except ConfigurationError as error:
        assert len(error.problems) <= len(known) + 2
    else:
        assert isinstance(settings.limits.manifest_size, int)
