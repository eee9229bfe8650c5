"""Conditional requests: a client that has the content already need not fetch it again."""


def is_known(if_none_match: str | None, digest: str) -> bool:
    """Whether an If-None-Match header names the digest, which is the ETag of everything here.

    Source: RFC 9110, section 13.1.2: a list, compared weakly. Some clients send the digest without quotes.
    """
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or any(
        etag.strip().removeprefix("W/").strip('"') == digest for etag in if_none_match.split(",")
    )
