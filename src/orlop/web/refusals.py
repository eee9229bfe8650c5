"""What a handler's exception means to a client. Each API renders the refusal in its own form."""

import errno
import sqlite3

import structlog
from aiohttp import ClientPayloadError
from aiohttp.web import RequestPayloadError

from orlop.domain.errors import OrlopError, SizeInvalid, StorageFull, Unavailable

log = structlog.get_logger("orlop.web")

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def refusal_of(error: Exception) -> OrlopError:
    """The refusal that an exception stands for; raises it again where it stands for none."""
    if isinstance(error, OrlopError):
        return error
    if isinstance(error, RequestPayloadError | ClientPayloadError):
        return SizeInvalid("the body is cut off, or its coding is wrong")
    if isinstance(error, ConnectionError | TimeoutError):
        raise error  # there is nobody to tell
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return StorageFull()
        log.error("the store failed", reason=str(error))
        return Unavailable("the registry's storage failed: its log says why")
    if isinstance(error, sqlite3.Error):
        log.error("the database failed", reason=str(error))
        return Unavailable("the registry's database failed: its log says why")
    raise error
