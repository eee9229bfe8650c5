"""Names of files that speak of keys, passwords and the like. Only names: no content is looked at."""

import re

_NAMES = re.compile(
    rb"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|[^/]*_(?:rsa|dsa|ecdsa|ed25519)"
    rb"|\.npmrc|\.yarnrc\.yml|\.pypirc|\.netrc|_netrc|\.pgpass|\.my\.cnf|\.git-credentials|\.dockercfg|\.htpasswd|htpasswd"
    rb"|\.env(?:\.[a-z0-9_-]+)?|[^/]+\.env|kubeconfig|\.kubeconfig|\.vault-token|\.terraformrc|terraform\.tfstate(?:\.backup)?"
    rb"|secring\.gpg|wp-config\.php|credentials\.json|service-account[^/]*\.json|secrets?\.(?:ya?ml|json|toml|env)"
    rb"|\.bash_history|\.zsh_history|\.ash_history"
    rb"|[^/]+\.(?:pem|key|p12|pfx|jks|keystore|ppk|kdbx|tfvars)",
    re.IGNORECASE,
)
_PATHS = re.compile(
    rb".*/(?:\.aws/(?:credentials|config)|\.docker/config\.json|\.kube/config|\.config/gcloud/.*|\.azure/.*\.json"
    rb"|\.config/gh/hosts\.yml|\.config/containers/auth\.json|\.cargo/credentials(?:\.toml)?|\.m2/settings\.xml"
    rb"|\.gem/credentials|\.composer/auth\.json|\.gnupg/private-keys-v1\.d/.*|\.ssh/config|etc/shadow-?|etc/gshadow-?"
    rb"|run/secrets/.+|\.subversion/auth/.*)",
    re.IGNORECASE | re.DOTALL,
)
_PUBLIC = re.compile(
    rb".*/(?:etc/ssl/certs|etc/pki/(?:ca-trust|tls/certs)|usr/share/ca-certificates|usr/local/share/ca-certificates"
    rb"|usr/share/keyrings|etc/apk/keys|usr/share/apk/keys)/.*"
    rb"|.*/(?:cacert|cert|certs|ca-bundle|ca-certificates|roots|fullchain|chain)\.pem"
    rb"|.*/(?:testdata|tests?)/.*|.*/\.env\.(?:example|sample|dist|template)|/etc/(?:g?shadow-?)",
    re.IGNORECASE | re.DOTALL,
)
"""What every image has, or what is made to be seen."""


def is_likely_secret(path: bytes) -> bool:
    """Whether the name of a file says that somebody would rather not have shipped it."""
    if _PUBLIC.fullmatch(path) is not None:
        return False
    name = path.rpartition(b"/")[2]
    return _NAMES.fullmatch(name) is not None or _PATHS.fullmatch(path) is not None
