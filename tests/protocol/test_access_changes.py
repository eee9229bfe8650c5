"""What an operator changes while the registry runs: rules, and the htpasswd file."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orlop.cli.store import COMMAND_LINE
from tests.protocol.accounts import (
    RULES,
    House,
    SignedIn,
    basic,
    bearer,
    eventually,
    house,
    htpasswd_line,
    issued,
    scope_of,
)
from tests.protocol.conftest import address_of

KEPT = "stays as it was"
NOTICED = 2.0
"""Seconds until a change counts."""

# SIGHUP


class Configuration:
    """The file, and the server that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, *rules: str, mode: str = "accounts") -> None:
        self.path.write_text(f"[access]\nmode = {json.dumps(mode)}\nrules = {json.dumps(rules)}\n")

    def reread(self, house: House) -> None:
        """SIGHUP, and waits until the log says what came of it."""
        before = self._told(house)
        process = house.server.process
        assert process is not None
        os.kill(process.pid, signal.SIGHUP)
        eventually(lambda: self._told(house) > before)

    def _told(self, house: House) -> int:
        return house.server.log.count("read the configuration again") + house.server.log.count(KEPT)


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    found = Configuration(tmp_path_factory.mktemp("configuration") / "orlop.toml")
    found.write(*RULES)
    return found


@pytest.fixture(scope="module")
def configured(configuration: Configuration) -> Iterator[House]:
    with house((), arguments=("--config", str(configuration.path)), expected=(KEPT,)) as opened:
        opened.repository("team/app").push_image("v1")
        opened.repository("vault/app").push_image("v1")
        yield opened


@pytest.fixture
def statuses(configured: House, configuration: Configuration) -> Callable[[], list[int]]:
    """How a member's pull from `team/app` is answered by Basic, by a token, and by an access token; all are 200 now."""
    configuration.write(*RULES)
    configuration.reread(configured)
    token = issued(configured.by_password("bob"), scope_of("team/app"))
    headers = (basic("bob"), bearer(token), bearer(configured.new_token("bob").secret))
    clients = [configured.client(header) for header in headers]

    def found() -> list[int]:
        return [client.get("/v2/team/app/manifests/v1").status for client in clients]

    assert found() == [200, 200, 200]
    return found


def test_rules_change_at_once(
    configured: House, configuration: Configuration, statuses: Callable[[], list[int]]
) -> None:
    """S14. For passwords that the server remembers, and for tokens that list what they were good for before."""
    nobody = configured.client()
    for _ in range(2):
        configuration.write(*RULES[:1], "anyone may pull on vault/**")
        configuration.reread(configured)
        assert statuses() == [403, 401, 403]
        assert nobody.get("/v2/vault/app/manifests/v1").status == 200
        configuration.write(*RULES)
        configuration.reread(configured)
        assert statuses() == [200, 200, 200]
        assert nobody.get("/v2/vault/app/manifests/v1").status == 401


BROKEN: dict[str, Callable[[Configuration], object]] = {
    "no TOML": lambda each: each.path.write_text("[access\n"),
    "a rule that is none": lambda each: each.write(*RULES, "everyone may everything"),
    "a setting that is none": lambda each: each.path.write_text('[access]\nmode = "accounts"\nruels = []\n'),
    "not there": lambda each: each.path.unlink(),
    "not UTF-8": lambda each: each.path.write_bytes(b'[access]\nrules = ["\xff"]\n'),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_configuration_that_is_broken_changes_nothing(
    configured: House, configuration: Configuration, statuses: Callable[[], list[int]], kind: str
) -> None:
    """S14. The log says so, and what is wrong; the rules that were in force go on, neither more nor fewer."""
    BROKEN[kind](configuration)
    before = len(configured.server.log)
    configuration.reread(configured)
    told = configured.server.log[before:]
    assert KEPT in told
    assert str(configuration.path) in told
    assert statuses() == [200, 200, 200]
    assert configured.by_password("carol").get("/v2/team/app/manifests/v1").status == 403


def test_accounts_are_not_switched_off_by_a_file_alone(
    configured: House, configuration: Configuration, statuses: Callable[[], list[int]]
) -> None:
    """S14. Who is let in without an account needs a start."""
    configuration.write(*RULES, mode="open")
    configuration.reread(configured)
    assert statuses() == [200, 200, 200]
    assert configured.client().get("/v2/vault/app/manifests/v1").status == 401


# htpasswd


@pytest.fixture(scope="module")
def listed() -> Iterator[House]:
    with house(htpasswd=htpasswd_line("hank"), expected=(KEPT,), LIMITS_FAILED_SIGN_INS="1000000") as opened:
        opened.repository("team/app").push_image("v1")
        opened.repository("vault/app").push_image("v1")
        yield opened


def write(house: House, *lines: str) -> None:
    assert house.htpasswd is not None
    house.htpasswd.write_text("".join(lines))


def status(house: House, name: str, password: str = "", path: str = "/v2/") -> int:
    with SignedIn(address_of(house.server), basic(name, password)) as client:
        return client.get(path).status


def test_changes_of_the_htpasswd_file_are_noticed(listed: House) -> None:
    """S14. A new name, another password in place of one that the server remembers, and a name that has gone."""
    write(listed, htpasswd_line("hank"))
    eventually(lambda: status(listed, "hank") == 200, NOTICED)
    remembered = listed.client(bearer(issued(listed.by_password("hank"), scope_of("hank/app"))))
    assert remembered.get("/v2/").status == 200
    assert status(listed, "ivan") == 401
    write(listed, htpasswd_line("hank"), htpasswd_line("ivan"))
    eventually(lambda: status(listed, "ivan") == 200, NOTICED)
    write(listed, htpasswd_line("hank", "a new one"), htpasswd_line("ivan"))
    eventually(lambda: status(listed, "hank") == 401, NOTICED)
    assert status(listed, "hank", "a new one") == 200
    write(listed, htpasswd_line("ivan"))
    eventually(lambda: status(listed, "hank", "a new one") == 401, NOTICED)
    assert remembered.get("/v2/").status == 401, "the token was made for an account that is not there any more"


def test_a_htpasswd_file_that_is_broken_changes_nothing(listed: House) -> None:
    """S14. The log says so; nobody is locked out, and nobody let in, until it is right again."""
    assert listed.htpasswd is not None
    write(listed, htpasswd_line("hank"))
    eventually(lambda: status(listed, "hank") == 200, NOTICED)
    for content in ("hank:plain\n", f"{htpasswd_line('ivan')}hank:$apr1$x$y\n", None):
        before = len(listed.server.log)
        if content is None:
            listed.htpasswd.unlink()
        else:
            write(listed, content)
        eventually(lambda before=before: KEPT in listed.server.log[before:], NOTICED)  # type: ignore[misc]
        assert status(listed, "hank") == 200
        assert status(listed, "hank", "plain") == 401
        assert status(listed, "ivan") == 401
    write(listed, htpasswd_line("ivan"))
    eventually(lambda: status(listed, "ivan") == 200, NOTICED)
    assert status(listed, "hank") == 401


def test_an_account_of_the_registry_hides_one_of_the_file(listed: House) -> None:
    """S14. So that disabling it counts: its name is not let in by the other password."""
    write(listed, htpasswd_line("jane", "from the file"), htpasswd_line("root", "from the file"))
    eventually(lambda: status(listed, "jane", "from the file") == 200, NOTICED)
    assert status(listed, "root", "from the file") == 401
    with listed.accounts() as accounts:
        accounts.create(COMMAND_LINE, "jane", "from the database")
    eventually(lambda: status(listed, "jane", "from the file") == 401, NOTICED)
    assert status(listed, "jane", "from the database") == 200
    with listed.accounts() as accounts:
        accounts.set_disabled(COMMAND_LINE, "jane", disabled=True)
    eventually(lambda: status(listed, "jane", "from the database") == 401, NOTICED)
    assert status(listed, "jane", "from the file") == 401


def test_a_name_of_the_file_is_in_a_group(listed: House) -> None:
    """S14. Groups are the registry's own."""
    write(listed, htpasswd_line("kate"))
    eventually(lambda: status(listed, "kate") == 200, NOTICED)
    assert status(listed, "kate", path="/v2/team/app/tags/list") == 403
    with listed.accounts() as accounts:
        accounts.join(COMMAND_LINE, "team", "kate")
    eventually(lambda: status(listed, "kate", path="/v2/team/app/tags/list") == 200, NOTICED)


def test_a_name_of_the_file_is_a_name_and_no_pattern(listed: House) -> None:
    """S14. The rule for `{account}/**` means what is below a name as it is written."""
    names = ("**", "*", "v*", "vault", "vault/app", "{account}", "VAULT", "team", ".+", "(vault|x)", "?ault", "[v]ault")
    write(listed, *map(htpasswd_line, names))
    eventually(lambda: status(listed, "vault") == 200, NOTICED)
    wrong = []
    for name in names:
        client = listed.by_password(name)
        own = [each for each in ("team/app", "vault/app") if each.startswith(f"{name}/")]
        for repository in ("vault/app", "team/app"):
            found = client.get(f"/v2/{repository}/tags/list").status
            if found != (200 if repository in own else 403):
                wrong.append(f"{name}: {repository} is {found}")
        found = client.get("/v2/_catalog").json()["repositories"]
        if found != own:
            wrong.append(f"{name}: lists {found}")
    assert not wrong, "\n".join(wrong)
