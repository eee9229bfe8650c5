"""Orlop's leases, read from its database beside the running server: the proof that HEADs renewed them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.bench.seeds import LEASE_SECONDS


def renewed_since(data: Path, moment: float) -> int:
    """How many leases were renewed after `moment` (seconds since the epoch)."""
    expiry = round((moment + LEASE_SECONDS) * 1000)  # expires_at is in milliseconds
    with closing(sqlite3.connect(f"file:{data / 'orlop.db'}?mode=ro", uri=True)) as database:
        row = database.execute("SELECT count(*) FROM leases WHERE expires_at >= ?", (expiry,)).fetchone()
    return int(row[0])
