"""Every setting, with its default and what it is for. The text below a field is what it promises to an operator.

`docs/howto/configuration.md` explains each of them, and a test compares the two.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from orlop.config.address import Address
from orlop.config.kinds import (
    DatabaseUrl,
    Duration,
    Floor,
    Listen,
    Needed,
    Networks,
    Number,
    PublicUrl,
    Retentions,
    Rules,
    Service,
    Size,
    StorageUrl,
    Text,
)
from orlop.config.quantities import DEFAULT_FREE_FLOOR, FreeFloor
from orlop.domain.access import Rule
from orlop.domain.retention import Retention


class StorageSettings(msgspec.Struct, frozen=True):
    """Where the bytes are."""

    url: Annotated[str, StorageUrl()] = ""
    """Where the content is kept: `file:PATH`, or `memory:` for a registry that forgets. Default: `store` in `data`."""
    free_floor: Annotated[FreeFloor, Floor()] = DEFAULT_FREE_FLOOR
    """Space that uploads leave free on the disk, as a size or as `5%` of it. Default: the lesser of 1 GiB and 5%."""
    allow_network_filesystem: bool = False
    """Accept a folder on NFS, SMB or the like, whose locks and syncs may not hold what they promise."""


class DatabaseSettings(msgspec.Struct, frozen=True):
    """What answers."""

    url: Annotated[str, DatabaseUrl()] = ""
    """The database, `sqlite:PATH` on a local disk. Default: `orlop.db` in `data`; a temporary file beside `memory:`."""


class AccessSettings(msgspec.Struct, frozen=True):
    """Who may do what."""

    mode: Literal["open", "accounts"] = "open"
    """`open`: everyone who reaches the registry may pull, push and delete. `accounts`: what the rules allow."""
    rules: Annotated[tuple[Rule, ...], Rules()] = (Rule.parse("signed-in may all on {account}/**"),)
    """Who may do what, a rule each: `WHO may ACTIONS on PATTERN`. Default: every account, below its own name."""
    htpasswd: Annotated[str, Text()] = ""
    """A file of names and bcrypt hashes, as `htpasswd -B` makes it, whose accounts count too."""
    challenge: Literal["token", "basic"] = "token"
    """How clients are asked to sign in: `token` by the token service, `basic` by name and password in each request."""
    service: Annotated[str, Service()] = ""
    """The name of this registry in tokens. Default: the host of `public_url`, else `orlop`."""
    token_lifetime: Annotated[float, Duration(longest=900.0)] = 300.0
    """How long a token of the token service is good, 15 minutes at most."""
    deletes: bool = True
    """Accept requests to delete tags, manifests and blobs, from those who may."""
    first_admin: Literal["none", "print"] = "none"
    """`print`: where there never was an account, make `admin` and write its password to standard error, once."""


class AuditSettings(msgspec.Struct, frozen=True):
    """Who changed what, and who was refused."""

    entries: Annotated[int, Number(0, 1_000_000_000)] = 1_000_000
    """How many are kept; older ones go. About 300 bytes each."""


class GcSettings(msgspec.Struct, frozen=True):
    """Collection: what nothing keeps is taken away, while everything else goes on."""

    interval: Annotated[float, Duration(zero=True)] = 3600.0
    """How long a server waits between two collections; 0: they run by `orlop gc` alone."""
    rate: Annotated[int, Number(0, 1_000_000)] = 1000
    """How many blobs, manifests and the like a collection takes away a second; 0: as many as it can."""


class ScrubSettings(msgspec.Struct, frozen=True):
    """`orlop scrub`."""

    rate: Annotated[int, Size(0, 1 << 40)] = 64 << 20
    """How many bytes of the store a scrub reads a second, 0 for as many as it can."""


class ContentsSettings(msgspec.Struct, frozen=True):
    """What is inside images: listed after the push, for whoever looks or searches."""

    enabled: bool = True
    """Look into the images that are pushed. `false`: what is inside later ones is not known."""
    worker: bool = True
    """A server starts a worker when there is something to do. `false`: it is done by `orlop worker` alone."""
    timeout: Annotated[float, Duration(longest=86400.0)] = 900.0
    """How long one layer may take; one that takes longer is not looked at again."""
    largest: Annotated[int, Size(1 << 20, 1 << 50)] = 64 << 30
    """The largest layer that is looked at, unpacked."""


class V1Settings(msgspec.Struct, frozen=True):
    """The Docker Registry API v1, which docker spoke before version 1.6."""

    mode: Literal["off", "read", "write"] = "write"
    """`write`: images are pushed and pulled over v1 too; `read`: only pulled; `off`: there is no v1."""
    listen: Annotated[str, Listen(optional=True)] = ""
    """An address of its own for v1 without v2, `HOST:PORT`: clients that find v2 never try v1. Default: none."""
    platform: Annotated[str, Text()] = "linux/amd64"
    """Which image of an index v1 shows, `OS/ARCHITECTURE[/VARIANT]`; where there is none, the first."""


class LogSettings(msgspec.Struct, frozen=True):
    """What is written to standard error."""

    format: Literal["auto", "text", "json"] = "auto"
    """`text` for people, `json` with one object a line, `auto` for text on a terminal and JSON otherwise."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are written."""


class MetricsSettings(msgspec.Struct, frozen=True):
    """Metrics for Prometheus."""

    listen: Annotated[str, Listen(optional=True)] = ""
    """An address of its own for `/metrics`, `HOST:PORT`. Default: on the main address."""


class TlsSettings(msgspec.Struct, frozen=True):
    """HTTPS without a proxy."""

    cert: Annotated[str, Text()] = ""
    """A PEM file with the certificate and its chain. Without it the registry speaks plain HTTP."""
    key: Annotated[str, Text()] = ""
    """The PEM file with the certificate's private key, without a passphrase."""


class LimitsSettings(msgspec.Struct, frozen=True):
    """Sizes in bytes and durations in seconds, once read."""

    manifest_size: Annotated[int, Size(1 << 10, 64 << 20)] = 4 << 20
    """The largest manifest that is accepted."""
    header_timeout: Annotated[float, Duration()] = 10.0
    """How long a client may take to send a request's headers."""
    idle_timeout: Annotated[float, Duration()] = 75.0
    """How long a connection without a request is kept open."""
    transfer_timeout: Annotated[float, Duration()] = 60.0
    """How long an upload or download may go without a byte of progress."""
    drain_timeout: Annotated[float, Duration(zero=True)] = 30.0
    """How long running transfers may go on after SIGTERM."""
    upload_lifetime: Annotated[float, Duration()] = 7 * 86400.0
    """How long an unfinished upload can be resumed after its last byte."""
    lease: Annotated[float, Duration()] = 86400.0
    """How long a blob or manifest that nothing names yet is kept for the client that pushed it or asked for it."""
    failed_sign_ins: Annotated[int, Number(1, 1_000_000)] = 20
    """How many wrong passwords a minute one address may send, and may be sent for one account."""
    requests: Annotated[int, Number(0, 1_000_000)] = 0
    """How many requests a second one address may send, 0 for any number; for a moment ten times as many."""
    sparse: bool = False
    """Accept an index or manifest whose children or layers are not here."""


class Settings(msgspec.Struct, frozen=True):
    """The settings of one registry, valid once they come from `load`."""

    listen: Annotated[str, Listen()] = "127.0.0.1:5000"
    """Where the registry is served, `HOST:PORT`; port 0 is any free one."""
    public_url: Annotated[str, PublicUrl()] = ""
    """The address that clients use, `https://HOST[:PORT]`, if not `listen`. Default: locations are relative."""
    data: Annotated[str, Needed()] = "./data"
    """The folder for everything that the registry keeps, made if it is not there."""
    allow_anonymous_push: bool = False
    """Listen beyond this machine although everyone who reaches the registry may push and delete."""
    admin_password_file: Annotated[str, Text()] = ""
    """A file with the password of the first admin, `admin`, who is made at the start where there is no account."""
    trusted_proxies: Annotated[tuple[str, ...], Networks()] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` count. Default: nobody's do."""
    retention: Annotated[tuple[Retention, ...], Retentions()] = ()
    """How long untagged manifests stay, by repository: the first rule that matches counts. Default: for ever."""
    storage: StorageSettings = StorageSettings()
    database: DatabaseSettings = DatabaseSettings()
    access: AccessSettings = AccessSettings()
    audit: AuditSettings = AuditSettings()
    gc: GcSettings = GcSettings()
    scrub: ScrubSettings = ScrubSettings()
    contents: ContentsSettings = ContentsSettings()
    v1: V1Settings = V1Settings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    tls: TlsSettings = TlsSettings()
    limits: LimitsSettings = LimitsSettings()

    @property
    def address(self) -> Address:
        """`listen`, taken apart."""
        return Address.parse(self.listen)

    @property
    def v1_address(self) -> Address | None:
        """`v1.listen`, taken apart; None where v1 has no address of its own."""
        return Address.parse(self.v1.listen) if self.v1.listen and self.v1.mode != "off" else None

    @property
    def metrics_address(self) -> Address | None:
        """`metrics.listen`, taken apart; None where metrics are on the main address."""
        return Address.parse(self.metrics.listen) if self.metrics.listen else None

    @property
    def service(self) -> str:
        """`access.service`, or its default."""
        return self.access.service or self.public_url.partition("://")[2] or "orlop"

    @property
    def storage_url(self) -> str:
        """`storage.url`, or its default: `file:PATH` or `memory:`."""
        return self.storage.url or f"file:{Path(self.data) / 'store'}"

    @property
    def database_url(self) -> str:
        """`database.url`, or its default; `sqlite:` with no path stands for a temporary file, beside `memory:`."""
        if self.database.url or self.storage_url == "memory:":
            return self.database.url or "sqlite:"
        return f"sqlite:{Path(self.data) / 'orlop.db'}"
