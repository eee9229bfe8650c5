"""Orlop behind nginx, both configured as docs/howto/nginx.md says."""

import base64
import contextlib
import hashlib
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bench.certificate import Certificate
from tests.clients.content import Content, layout_content
from tests.clients.images import TAG
from tests.clients.sandbox import Sandbox
from tests.servers import OrlopServer

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.full]

TEXT = (Path(__file__).parents[2] / "docs" / "howto" / "nginx.md").read_text()
ACCOUNT, PASSWORD = "alice", "correct horse"
START_TIMEOUT = 10

# What Debian's own nginx.conf has around a site, with everything in one folder.
AROUND = """
daemon off;
pid {folder}/pid;
error_log {folder}/log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site;
}}
"""


@dataclass(frozen=True)
class Site:
    """An Orlop with accounts, and the nginx in front of it."""

    orlop: OrlopServer
    host_port: str
    """nginx's."""
    certificate: Path
    """A folder with `ca.crt`."""

    def through_nginx(self, source: str) -> http.client.HTTPConnection:
        """A connection from that address of this machine."""
        context = ssl.create_default_context(cafile=str(self.certificate / "ca.crt"))
        return http.client.HTTPSConnection(self.host_port, timeout=60, context=context, source_address=(source, 0))

    def directly(self, source: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.orlop.host_port, timeout=60, source_address=(source, 0))

    def audit(self, *options: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(_orlop(self.orlop.data, "audit", "--json", *options))["items"]
        return items


@pytest.fixture(scope="module")
def site(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data, folder = tmp_path_factory.mktemp("nginx-data"), sandbox.folder / "nginx"
    folder.mkdir()
    certificate = Certificate.make(folder)
    (folder / "trusted").mkdir()
    (folder / "trusted" / "ca.crt").write_bytes(certificate.cert.read_bytes())
    host_port = f"127.0.0.1:{_free_port()}"
    _orlop(data, "user", "create", ACCOUNT, "--admin", "--password-file", "-", stdin=f"{PASSWORD}\n")
    config = folder / "orlop.toml"
    config.write_text(
        _replaced(
            _block("toml"),
            {'"https://registry.example.com"': f'"https://{host_port}"', '"127.0.0.1:5001"': '"127.0.0.1:0"'},
        )
    )
    with OrlopServer(data, arguments=("--config", str(config))) as server:
        (folder / "site").write_text(
            _replaced(
                _block("nginx"),
                {
                    "127.0.0.1:5000": server.host_port,
                    "listen 443 ": f"listen {host_port} ",
                    "/etc/nginx/registry.crt": str(certificate.cert),
                    "/etc/nginx/registry.key": str(certificate.key),
                },
            )
        )
        with _nginx(folder, host_port):
            yield Site(server, host_port, folder / "trusted")


def test_an_image_is_pushed_and_pulled(
    site: Site, sandbox: Sandbox, layout: Path, image: Content, name: str, folder: Path
) -> None:
    remote = f"docker://{site.host_port}/{name}:1"
    push = (f"--dest-cert-dir={site.certificate}", f"--dest-creds={ACCOUNT}:{PASSWORD}")
    pull = (f"--src-cert-dir={site.certificate}", f"--src-creds={ACCOUNT}:{PASSWORD}")
    sandbox.run("skopeo", "copy", "--preserve-digests", *push, f"oci:{layout}:{TAG}", remote)
    sandbox.run("skopeo", "copy", "--preserve-digests", *pull, remote, f"oci:{folder}:{TAG}")
    assert layout_content(folder, TAG) == image
    pushed = [entry["object"] for entry in site.audit("--account", ACCOUNT, "--repository", name)]
    assert image.digest in pushed
    # nginx has handed everything on as it came: none of it lay on its own disk.
    assert "buffered to a temporary file" not in (sandbox.folder / "nginx" / "log").read_text()


def test_clients_are_sent_to_the_public_address_for_tokens(site: Site) -> None:
    with contextlib.closing(site.through_nginx("127.0.0.1")) as connection:
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        assert answer.status == 401
        assert f'realm="https://{site.host_port}/token"' in answer.headers["WWW-Authenticate"]


def test_the_audit_log_has_the_address_that_nginx_tells(site: Site, name: str) -> None:
    with contextlib.closing(site.through_nginx("127.0.0.7")) as connection:
        assert _address_of_push(site, connection, name, {}) == "127.0.0.7"


def test_a_client_of_nginx_cannot_choose_its_address(site: Site, name: str) -> None:
    with contextlib.closing(site.through_nginx("127.0.0.7")) as connection:
        assert _address_of_push(site, connection, name, {"X-Forwarded-For": "192.0.2.1"}) == "127.0.0.7"


def test_a_client_that_is_no_trusted_proxy_cannot_either(site: Site, name: str) -> None:
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    with contextlib.closing(site.directly("127.0.0.9")) as connection:
        assert _address_of_push(site, connection, name, forged) == "127.0.0.9"


def _address_of_push(site: Site, connection: http.client.HTTPConnection, name: str, headers: dict[str, str]) -> str:
    """Where a blob came from, by the audit log."""
    content = name.encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    secret = base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
    path = f"/v2/{name}/blobs/uploads/?digest={digest}"
    connection.request("POST", path, content, {"Authorization": f"Basic {secret}", **headers})
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    (entry,) = site.audit("--repository", name)
    assert (entry["action"], entry["account"], entry["object"]) == ("blob.push", ACCOUNT, digest)
    address: str = entry["address"]
    return address


@contextlib.contextmanager
def _nginx(folder: Path, host_port: str) -> Iterator[None]:
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    command = ["nginx", "-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/log"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait = ["curl", "--silent", "--insecure", "--retry", str(START_TIMEOUT), "--retry-connrefused"]
        wait += ["--retry-delay", "1", "--output", "/dev/null", "--fail", f"https://{host_port}/readyz"]
        ended = subprocess.run(wait, check=False, timeout=60)
        assert ended.returncode == 0, (folder / "log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _orlop(data: Path, *words: str, stdin: str = "") -> str:
    command = [sys.executable, "-m", "orlop", *words, "--data", str(data)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout


def _block(language: str) -> str:
    """The page's one block of that language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    text: str = block
    return text


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
