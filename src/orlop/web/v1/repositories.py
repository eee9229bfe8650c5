"""`/v1/repositories/<name>/…`: tags, which the registry keeps, and lists, which the index does."""

from collections.abc import Iterable
from typing import Any

from orlop.domain import strict_json
from orlop.domain.errors import Denied, ImageInvalid, ImageUnknown, OrlopError, TagUnknown
from orlop.domain.name import Tag
from orlop.domain.v1.ids import ImageId
from orlop.registry.v1.lists import Listed
from orlop.web.answers import Answer
from orlop.web.v1 import tokens
from orlop.web.v1.calls import Call


async def tags(call: Call) -> Answer:
    return call.done(await call.edge.call(call.edge.app.v1.tags.listing, call.caller, call.name))


async def get_tag(call: Call) -> Answer:
    return call.done(await call.edge.call(call.edge.app.v1.tags.find, call.caller, call.name, Tag.parse(call.item)))


async def put_tag(call: Call) -> Answer:
    document = _parsed(await call.body(), "Invalid data")
    if not isinstance(document, str):
        raise ImageInvalid("Invalid data")
    try:
        image_id = ImageId.parse(document)
    except OrlopError as error:
        raise ImageUnknown from error
    await call.edge.call(call.edge.app.v1.tags.point, call.caller, call.name, Tag.parse(call.item), image_id)
    return call.done()


async def delete_tag(call: Call) -> Answer:
    tag = Tag.parse(call.item)
    try:
        await call.edge.call(call.edge.app.manifests.delete_tag, call.caller, call.name, tag)
    except TagUnknown as error:
        raise TagUnknown(f"Tag not found: {tag}") from error
    return call.done()


async def tag_properties(call: Call) -> Answer:
    """What the image says of who made it; what is not known is null."""
    return call.done(await call.edge.call(_properties, call, Tag.parse(call.item)))


async def repository_properties(call: Call) -> Answer:
    return call.done(await call.edge.call(_properties, call, Tag("latest")))


async def delete(call: Call) -> Answer:
    """Every tag; images stay, as they may be in use, and go when nothing keeps them."""
    app = call.edge.app
    found = await call.edge.call(app.v1.tags.names, call.caller, call.name)
    for tag in found:
        await call.edge.call(app.manifests.delete_tag, call.caller, call.name, tag)
    return call.done(headers=await tokens.headers(call, "delete"))


async def put_repository(call: Call) -> Answer:
    """Says what will be pushed, and gets a token for it."""
    await call.edge.call(call.edge.app.v1.lists.announce, call.caller, call.name, _listed(await call.body()))
    return call.done("", await tokens.headers(call, "write"))


async def put_images(call: Call) -> Answer:
    """The end of a push: clients demand 204."""
    await call.edge.call(call.edge.app.v1.lists.announce, call.caller, call.name, _listed(await call.body()))
    return Answer(204, await tokens.headers(call, "write"))


async def get_images(call: Call) -> Answer:
    listed = await call.edge.call(call.edge.app.v1.lists.read, call.caller, call.name)
    documents = [
        {"id": entry.id} | ({"checksum": entry.checksum} if entry.checksum is not None else {}) for entry in listed
    ]
    return call.done(documents, await tokens.headers(call, "read"))


async def delete_images(call: Call) -> Answer:
    """Changes nothing, as it never did: it is where a client gets its token to delete."""
    return Answer(204, await tokens.headers(call, "delete"))


async def put_auth(call: Call) -> Answer:
    return call.done("OK")


async def layer_access(call: Call) -> Answer:
    """Whether the caller may read the image."""
    try:
        await call.edge.call(call.edge.app.v1.reading.find, call.caller, call.name, ImageId.parse(call.item))
    except OrlopError:
        return call.done({"access": False})
    return call.done({"access": True})


async def get_access(call: Call) -> Answer:
    return call.done({"access": _access(call)})


async def put_access(call: Call) -> Answer:
    """Who may read is decided by the configuration's rules: only what they say already can be set."""
    document = _parsed(await call.body(), "Invalid data")
    if not isinstance(document, dict) or document.get("access") not in ("private", "public"):
        raise ImageInvalid("Invalid data")
    if document["access"] != _access(call):
        raise Denied("who may read a repository is decided by access.rules")
    return call.done()


def _access(call: Call) -> str:
    return "public" if call.is_public else "private"


def _properties(call: Call, tag: Tag) -> dict[str, Any]:
    unknown = {"docker_version": None, "docker_go_version": None, "arch": "amd64", "os": "linux", "kernel": None}
    try:
        record = call.edge.app.tags.find(call.caller, call.name, tag).listed.record
        image_id = call.edge.app.v1.tags.find(call.caller, call.name, tag)
        view = call.edge.app.v1.reading.find(call.caller, call.name, ImageId(image_id))
        document = strict_json.loads(view.json)
    except (OrlopError, ValueError):
        return {"last_update": None, **unknown}
    said = {
        "docker_version": document.get("docker_version"),
        "arch": document.get("architecture"),
        "os": document.get("os"),
    }
    return {
        "last_update": record.updated_at // 1000,
        **unknown,
        **{name: value for name, value in said.items() if isinstance(value, str)},
    }


def _listed(content: bytes) -> list[Listed]:
    document = _parsed(content, "Error Decoding JSON")
    if not isinstance(document, list):
        raise ImageInvalid("Invalid data")
    return list(_entries(document))


def _entries(document: list[Any]) -> Iterable[Listed]:
    for entry in document:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise ImageInvalid("Invalid data")
        checksum = entry.get("checksum")
        try:
            image_id = ImageId.parse(entry["id"])
        except OrlopError as error:
            raise ImageInvalid("Invalid data") from error
        yield Listed(image_id, checksum[:200] if isinstance(checksum, str) and checksum else None)


def _parsed(content: bytes, message: str) -> Any:
    try:
        return strict_json.loads(content)
    except (ValueError, OrlopError) as error:
        raise ImageInvalid(message) from error
