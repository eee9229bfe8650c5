"""The tables. One schema for SQLite and PostgreSQL.

Times are integers: milliseconds since 1970 (UTC). Documents are JSON in text. Nothing else needs a conversion between
Python and the database, so statements run without SQLAlchemy's result processing (see `statement.py`).
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint, text

REVISION = "0005"
"""The newest migration's. `migrations/` must end there; a test compares what they make with this schema."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes a row id of INTEGER PRIMARY KEY only.
_Id = BigInteger().with_variant(Integer, "sqlite")
# Names are compared byte by byte on both databases, as pages and their `last` demand.
_Name = Text().with_variant(Text(collation="C"), "postgresql")

store = Table(
    "store",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("store_id", Text, nullable=False),
    Column("mark", BigInteger, nullable=False),  # counts commits; orlop.json holds a value that it once had
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", _Name, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("pushed_at", BigInteger),  # when it last took in a manifest
    Index(None, "pushed_at", "name"),
)

blobs = Table(
    "blobs",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("digest", _Name, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    # live; condemned: nothing keeps it; removing: its object goes; removed; lost: its object is gone or damaged.
    Column("state", Text, nullable=False, server_default="live"),
    Column("generation", Integer, nullable=False, server_default="0"),  # the <n> of its key in the tree
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False, server_default="0"),  # when it came into its state, or came again
    # Few are not live.
    Index(None, "state", "id", sqlite_where=text("state <> 'live'")),
)

repository_blobs = Table(
    "repository_blobs",
    metadata,
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("blob_id", _Id, ForeignKey("blobs.id"), primary_key=True, index=True),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

leases = Table(
    "leases",
    metadata,
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", _Name, primary_key=True, index=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", _Name, primary_key=True),
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("account", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("hashed_size", BigInteger, nullable=False),  # how many bytes `hashed_hex` covers
    Column("hashed_hex", Text, nullable=False),  # the digest of those bytes, empty for none
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

manifests = Table(
    "manifests",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("digest", _Name, nullable=False, index=True),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("content_size", BigInteger, nullable=False),  # of what it references directly
    Column("artifact_type", Text, nullable=False),
    Column("config_media_type", Text, nullable=False),
    Column("subject", _Name),
    Column("annotations", Text, nullable=False),
    Column("platforms", Text, nullable=False),  # JSON array of "os/architecture[/variant]"
    Column("pushed_at", BigInteger, nullable=False),
    Column("pushed_by", Text, nullable=False),
    Column("pushed_from", Text, nullable=False),
    Column("last_pulled_at", BigInteger),  # to the hour
    Column("released_at", BigInteger),  # when a tag, an index or its subject last let go of it
    Column("lost", Integer, nullable=False, server_default="0"),  # 1: its content is gone or damaged
    UniqueConstraint("repository_id", "digest"),
    # Few have one. (The same for PostgreSQL would load its dialect, 20 ms and 2 MiB, wherever this is read.)
    Index(None, "repository_id", "subject", "digest", sqlite_where=text("subject IS NOT NULL")),
)

manifest_references = Table(
    "manifest_references",
    metadata,
    Column("manifest_id", _Id, ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("repository_id", _Id, nullable=False),
    Column("kind", Text, nullable=False),  # config, layer or manifest
    Column("digest", _Name, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Index(None, "digest", "repository_id"),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("name", _Name, primary_key=True),
    Column("manifest_id", _Id, ForeignKey("manifests.id"), nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("updated_from", Text, nullable=False),
    Column("last_pulled_at", BigInteger),  # to the hour
    Index(None, "manifest_id", "name"),
    sqlite_with_rowid=False,
)

tag_history = Table(
    "tag_history",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("name", _Name, nullable=False),
    Column("digest", Text),  # null: the tag was deleted
    Column("previous", Text),  # null: there was none
    Column("at", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("address", Text, nullable=False),
    Index(None, "repository_id", "name", "id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", Text, nullable=False),  # tag or manifest
    Column("repository", Text, nullable=False),
    Column("name", Text, nullable=False),  # the tag, or the manifest's digest
    sqlite_autoincrement=True,  # an id must never come twice: readers remember which ones they have dealt with
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", _Name, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # person or robot
    Column("password", Text),  # an argon2id hash; null: none, as robots have
    Column("admin", Integer, nullable=False),  # 0 or 1
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)

groups = Table(
    "groups",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", _Name, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

# By name, because an account may be one of a htpasswd file.
group_members = Table(
    "group_members",
    metadata,
    Column("group_id", _Id, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("account", _Name, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", _Name, primary_key=True),
    Column("account", _Name, nullable=False, index=True),
    Column("kind", Text, nullable=False),  # access, made by command; refresh, given to a client that signed in
    Column("hash", Text, nullable=False, unique=True),  # SHA-256 of the token
    Column("note", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON array; empty: all that the account may do
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # null: never
    Column("last_used_at", BigInteger),  # to the minute
    Index(None, "expires_at"),
    sqlite_with_rowid=False,
)

access_state = Table(
    "access_state",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    # Counts changes of accounts, groups, tokens and keys: a server drops what it remembers of them when it moves.
    Column("revision", BigInteger, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", _Name, primary_key=True),  # the `kid` of tokens that it signs
    Column("private_key", Text, nullable=False),  # PEM
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", BigInteger, nullable=False),  # of refusals that are counted together, the first
    Column("account", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("repository", _Name, nullable=False),  # empty where it is about none
    Column("object", Text, nullable=False),  # a tag, a digest, an account: what was acted on
    Column("detail", Text, nullable=False),  # JSON object
    Column("times", Integer, nullable=False),  # how often, in that minute
    Index(None, "repository", "id"),
    Index(None, "account", "id"),
    sqlite_autoincrement=True,
)

# How far long work has come, so that it goes on there after a restart; and how it last ended.
progress = Table(
    "progress",
    metadata,
    Column("name", _Name, primary_key=True),
    Column("document", Text, nullable=False),  # JSON object
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# An image of the Docker Registry v1, as it was pushed: one layer and its JSON. Its id is private to its repository.
v1_images = Table(
    "v1_images",
    metadata,
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("image_id", _Name, primary_key=True, index=True),
    Column("parent", _Name),
    Column("document", Text, nullable=False),  # its JSON, exactly as it came
    Column("state", Text, nullable=False),  # in_progress or complete
    Column("attempt", Text, nullable=False),  # names the push that last began it
    Column("checksums", Text, nullable=False),  # JSON array: those that were sent and found right
    Column("announced", Text, nullable=False),  # JSON object: those that came before the layer
    Column("layer_digest", _Name),
    Column("layer_size", BigInteger),
    Column("layer_facts", Text),  # JSON object: what was found in the layer
    Column("shown_digest", _Name),  # of the copy that v2 shows, where the layer's own compression is none of OCI's
    Column("manifest_digest", _Name),  # of the manifest that was made of it and its parents, once it was tagged
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "layer_digest", "repository_id"),
    Index(None, "shown_digest", "repository_id"),
    Index(None, "repository_id", "manifest_digest"),
    sqlite_with_rowid=False,
)

# Images that a client has said it will push, or that the repository has.
v1_listed = Table(
    "v1_listed",
    metadata,
    Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("image_id", _Name, primary_key=True),
    Column("checksum", Text),
    Column("listed_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Work that is done after the answer, by workers: each row waits for one, is claimed by one, or was given up.
jobs = Table(
    "jobs",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", _Name, nullable=False),
    Column("subject", _Name, nullable=False),
    Column("state", Text, nullable=False),  # waiting, running or failed
    Column("attempts", Integer, nullable=False),  # how often it was begun since it was last asked for
    # When it may be begun; of a running one, when its claim ends, so that others may begin it; of a failed one, never.
    Column("run_at", BigInteger, nullable=False),
    Column("claimed_by", Text, nullable=False),  # the worker; empty where it is not running
    Column("revision", Integer, nullable=False),  # counts how often it was asked for
    Column("error", Text, nullable=False),  # why it is not done yet, for a person
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("kind", "subject"),
    Index(None, "run_at", "id"),
)
