"""Leases get longer and end; they never get shorter."""

from orlop.database import blobs, leases, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from tests.unit.database.content import MINUTE, NAME, add_blob, digest


def expiry(database: Database) -> int:
    held = blobs.held(database.reader(), NAME, digest("layer"))
    assert held is not None
    return held.lease_expires_at


def renew(database: Database, milliseconds: int) -> None:
    def unit(connection: Connection) -> None:
        add_blob(connection, NAME, "layer")
        leases.renew(connection, repositories.ensure(connection, NAME), digest("layer"), milliseconds)

    database.write(unit)


def test_a_lease_gets_longer_and_never_shorter(database: Database) -> None:
    renew(database, MINUTE)
    first = expiry(database)
    renew(database, 2 * MINUTE)
    second = expiry(database)
    assert second >= first + MINUTE
    renew(database, MINUTE)
    assert expiry(database) == second


def test_leases_that_are_over_are_dropped(database: Database) -> None:
    renew(database, -1)
    assert database.write(leases.expire) == 1
    assert expiry(database) == 0
    renew(database, MINUTE)
    assert database.write(leases.expire) == 0
    assert expiry(database) > 0
