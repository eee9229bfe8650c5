"""The page at `/`: what this is, how to push and pull here, where to look."""

import base64
import functools
import hashlib
import html
import re
from importlib import resources
from string import Template
from typing import NamedTuple

from aiohttp.web import BaseRequest

from orlop import __version__
from orlop.config import Settings
from orlop.web.answers import Answer
from orlop.web.edge import Edge
from orlop.web.proxies import HOST

_LOOPBACK = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?")

_PLAIN_HTTP = """\
<p class="note">Connections are not encrypted here. For docker, add
<code>{"insecure-registries": ["$host"]}</code> to <code>/etc/docker/daemon.json</code>.</p>
"""
_METRICS = '<li><a href="/metrics">Metrics</a>, for Prometheus</li>\n'


_SIGN_IN = """\
<h2 id="sign-in">Sign in</h2>
<div class="tools">
<div><h3>docker</h3><pre><code>docker login $host</code></pre></div>
<div><h3>podman</h3><pre><code>podman login $podman$host</code></pre></div>
<div><h3>skopeo</h3><pre><code>skopeo login $podman$host</code></pre></div>
</div>
"""


class _Page(NamedTuple):
    template: Template
    headers: tuple[tuple[str, str], ...]


def home(edge: Edge, request: BaseRequest) -> Answer:
    page = _page()
    settings = edge.app.settings
    url = _url(settings, request.headers.get("Host", ""))
    return Answer(200, page.headers, page.template.substitute(_words(settings, url)).encode())


def _words(settings: Settings, url: str) -> dict[str, str]:
    """What goes into the template, as HTML."""
    scheme, _, host = url.partition("://")
    host = html.escape(host)
    insecure = scheme == "http"
    podman = "--tls-verify=false " if insecure else ""
    has_accounts = settings.access.mode == "accounts"
    needs_note = insecure and _LOOPBACK.fullmatch(host) is None
    return {
        "version": html.escape(__version__),
        "host": host,
        "url": html.escape(url),
        "podman": podman,
        "sign_in": Template(_SIGN_IN).substitute(host=host, podman=podman) if has_accounts else "",
        "skopeo_push": "--dest-tls-verify=false " if insecure else "",
        "skopeo_pull": "--src-tls-verify=false " if insecure else "",
        "note": Template(_PLAIN_HTTP).substitute(host=host) if needs_note else "",
        "metrics": _METRICS if settings.metrics_address is None else "",
    }


def _url(settings: Settings, host: str) -> str:
    """Where clients reach this registry: the public address, else where this client found it."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    if HOST.fullmatch(host) is None:
        host = str(settings.address)
    return f"{'https' if settings.tls.cert else 'http'}://{host}"


@functools.cache
def _page() -> _Page:
    text = resources.files("orlop.web.ui").joinpath("page.html").read_text(encoding="utf-8")
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return _Page(
        Template(text),
        (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-cache"),
            ("Vary", "Host"),
        ),
    )
