"""Names that speak of keys and passwords."""

import pytest

from orlop.contents.secrets import is_likely_secret


@pytest.mark.parametrize(
    "path",
    [
        "/root/.ssh/id_rsa", "/root/.ssh/id_ed25519", "/home/a/.ssh/github_rsa", "/app/server.key", "/app/tls.PEM",
        "/x/a.p12",
        "/x/a.jks", "/root/.npmrc", "/root/.netrc", "/app/.env", "/app/.env.production", "/app/prod.env",
        "/root/.git-credentials", "/root/.aws/credentials", "/root/.docker/config.json", "/kubeconfig",
        "/root/.kube/config",
        "/etc/nginx/.htpasswd", "/etc/nginx/htpasswd", "/root/.pypirc", "/run/secrets/token", "/app/secrets.yaml",
        "/root/.config/gcloud/application_default_credentials.json", "/app/terraform.tfstate", "/root/.bash_history",
    ],
)  # fmt: skip
def test_what_nobody_should_ship(path: str) -> None:
    assert is_likely_secret(path.encode())


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssl/certs/ca-certificates.pem", "/etc/ssl/certs/a.pem", "/usr/lib/python3/certifi/cacert.pem",
        "/root/.ssh/id_rsa.pub", "/app/.env.example", "/etc/passwd", "/etc/shadow", "/usr/share/keyrings/debian.key",
        "/app/node_modules/x/test/server.key", "/etc/apk/keys/alpine.rsa.pub", "/usr/bin/env", "/app/keyboard.py",
        "/.envrc.d/x",
    ],
)  # fmt: skip
def test_what_is_made_to_be_seen(path: str) -> None:
    assert not is_likely_secret(path.encode())


def test_names_that_are_no_text_are_looked_at_too() -> None:
    assert is_likely_secret(b"/\xff/id_rsa")
    assert is_likely_secret(b"/a\nb/.aws/credentials")
    assert not is_likely_secret(b"/\xff\n")
