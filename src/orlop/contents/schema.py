"""The tables of contents.db; docs/formats/contents.md says what they mean."""

VERSION = 4
"""Raised with every change of the tables, or of what is put into them. A file of another version is thrown away."""

KINDS = ("file", "directory", "symlink", "hardlink", "character", "block", "fifo")
"""`entries.kind` is a place in here."""
FILE, DIRECTORY, SYMLINK, HARDLINK = range(4)

ROOT = 1
"""The path `/`: the only one whose parent is 0."""

# The search table has no text of its own (content=''): what it finds are ids of names. Rows go by its command 'delete'.
SCHEMA = """
CREATE TABLE meta (generation TEXT NOT NULL);

CREATE TABLE layers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('ready', 'unindexable')),
    reason TEXT NOT NULL DEFAULT '',
    diff_id TEXT,
    compression TEXT,
    size INTEGER,
    unpacked INTEGER,
    entries INTEGER,
    content INTEGER,
    made_at INTEGER NOT NULL
);

CREATE TABLE names (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE);
CREATE VIRTUAL TABLE name_search USING fts5(name, content='', columnsize=0, tokenize='trigram');

CREATE TABLE paths (
    id INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    name_id INTEGER NOT NULL,
    UNIQUE (parent, name_id)
);
CREATE INDEX paths_by_name ON paths (name_id);

CREATE TABLE entries (
    layer_id INTEGER NOT NULL,
    parent_id INTEGER NOT NULL,
    path_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    implicit INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    digest BLOB,
    link BLOB,
    offset INTEGER NOT NULL,
    sparse TEXT,
    PRIMARY KEY (layer_id, parent_id, path_id)
) WITHOUT ROWID;
CREATE INDEX entries_by_path ON entries (path_id, kind, layer_id);
CREATE INDEX entries_by_digest ON entries (digest, path_id) WHERE digest IS NOT NULL;
CREATE INDEX entries_implicit ON entries (path_id, layer_id) WHERE implicit;

CREATE TABLE implicit_links (
    layer_id INTEGER NOT NULL,
    path_id INTEGER NOT NULL,
    PRIMARY KEY (layer_id, path_id)
) WITHOUT ROWID;

CREATE TABLE whiteouts (
    layer_id INTEGER NOT NULL,
    parent_id INTEGER NOT NULL,
    path_id INTEGER NOT NULL,
    opaque INTEGER NOT NULL,
    PRIMARY KEY (layer_id, parent_id, path_id, opaque)
) WITHOUT ROWID;
CREATE INDEX whiteouts_by_path ON whiteouts (path_id, layer_id);

CREATE TABLE packages (
    id INTEGER PRIMARY KEY,
    layer_id INTEGER NOT NULL,
    path_id INTEGER NOT NULL,
    ecosystem TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT NOT NULL,
    source_version TEXT NOT NULL,
    architecture TEXT NOT NULL
);
CREATE INDEX packages_by_name ON packages (replace(replace(lower(name), '_', '-'), '.', '-'));
CREATE INDEX packages_by_source ON packages (replace(replace(lower(source), '_', '-'), '.', '-'));
CREATE INDEX packages_by_layer ON packages (layer_id, path_id);
CREATE INDEX packages_by_path ON packages (path_id);

CREATE TABLE chains (
    id INTEGER PRIMARY KEY,
    chain_id TEXT NOT NULL UNIQUE,
    layers TEXT NOT NULL,
    files INTEGER NOT NULL,
    made_at INTEGER NOT NULL
);

CREATE TABLE images (
    repository TEXT NOT NULL,
    image_id TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    manifest TEXT NOT NULL,
    PRIMARY KEY (repository, image_id)
) WITHOUT ROWID;
CREATE INDEX images_by_chain ON images (chain_id);
CREATE INDEX images_by_manifest ON images (manifest);

CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (key, value)
);
CREATE VIRTUAL TABLE label_search USING fts5(label, content='', columnsize=0, tokenize='trigram');
CREATE TABLE labelled (
    label_id INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    PRIMARY KEY (label_id, manifest)
) WITHOUT ROWID;
CREATE INDEX labelled_by_manifest ON labelled (manifest);

INSERT INTO names (id, name) VALUES (1, x'');
INSERT INTO paths (id, parent, name_id) VALUES (1, 0, 1);
"""
