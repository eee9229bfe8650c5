"""`/api/v1/repositories/<name>/-/manifests/<reference>`."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.database.manifests import Child as Listed
from orlop.domain.image_config import ImageConfig, layer_steps
from orlop.domain.image_config import Step as Entry
from orlop.domain.manifest import Descriptor
from orlop.domain.name import parse_reference
from orlop.registry.details import Detail
from orlop.registry.platforms import name_of
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_of, time_or_none
from orlop.web.api.tags import artifact_type_of


class Child(msgspec.Struct):
    """A manifest that an index lists."""

    digest: str
    media_type: str
    artifact_type: str | None
    platform: Annotated[str | None, Meta(description="As `os/architecture[/variant]`")]
    size: Annotated[int, Meta(description="Bytes of the manifest and of what it names")]
    manifest_size: Annotated[int, Meta(description="Bytes of the manifest itself")]
    present: Annotated[bool, Meta(description="Whether the repository holds it")]


class Step(msgspec.Struct):
    """A step of an image's history, as it stands in the config. Texts are empty where the config does not say."""

    created: str
    created_by: str
    comment: str
    empty_layer: Annotated[bool, Meta(description="The step changed no file, and has no layer")]
    layer: Annotated[str | None, Meta(description="The layer that it made; null also where the history does not tell")]


class Layer(msgspec.Struct):
    digest: str
    media_type: str
    size: int
    foreign: Annotated[bool, Meta(description="The layer is kept elsewhere")]
    step: Annotated[Step | None, Meta(description="The step that made it; null where the config does not tell")]


class Config(msgspec.Struct, omit_defaults=True):
    """The config of a manifest. All but the first three only for images, and as they stand in it."""

    digest: str
    media_type: str
    size: int
    os: str = ""
    architecture: str = ""
    variant: str = ""
    created: str = ""
    author: str = ""
    user: str = ""
    working_dir: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Annotated[
        tuple[str, ...], Meta(description="Names of environment variables; not their values, which may be secrets")
    ] = ()
    labels: dict[str, str] = {}
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


class Contents(msgspec.Struct):
    """Whether it is known what is inside."""

    state: Annotated[
        str,
        Meta(
            description="pending: nobody has looked yet; ready; unindexable: it cannot be looked into; none: it holds"
            " no files of its own, as an index does, or nobody looks here"
        ),
    ]
    reason: Annotated[str | None, Meta(description="Where the state is not ready")]


class Manifest(msgspec.Struct):
    """A manifest, and what it is made of. An account or address is null where none is known."""

    digest: str
    media_type: str
    artifact_type: Annotated[str | None, Meta(description="Null for images")]
    platforms: Annotated[list[str], Meta(description="As `os/architecture[/variant]`")]
    size: Annotated[
        int, Meta(description="Bytes of the manifest and of what it names; for an index also of what its children name")
    ]
    manifest_size: Annotated[int, Meta(description="Bytes of the manifest itself")]
    pushed_at: datetime
    pushed_by: str | None
    pushed_from: str | None
    last_pulled_at: Annotated[
        datetime | None, Meta(description="When it was last pulled by tag or digest, to the hour; null: never")
    ]
    tags: Annotated[list[str], Meta(description="Tags on it: the first hundred")]
    tag_count: int
    subject: Annotated[str | None, Meta(description="The digest of the manifest that this one is about")]
    referrers: Annotated[int, Meta(description="How many manifests have this one as their subject")]
    annotations: dict[str, str]
    children: Annotated[list[Child], Meta(description="Of an index")]
    config: Config | None
    layers: list[Layer]
    history: Annotated[list[Step], Meta(description="Every step, the oldest first")]
    contents: Contents


async def get(call: Call) -> Answer:
    reference = parse_reference(call.item)
    detail = await call.edge.call(call.edge.app.details.find, call.caller, call.name, reference)
    state = await call.edge.call(call.edge.app.images.state_of, detail.manifest)
    return call.answer(_manifest(detail, Contents(state.name, state.reason or None)))


def _manifest(detail: Detail, contents: Contents) -> Manifest:
    record, manifest = detail.record, detail.manifest
    history = _history(detail)
    below = sum(child.content_size or 0 for child in detail.children)
    return Manifest(
        digest=record.digest,
        media_type=record.media_type,
        artifact_type=artifact_type_of(record.artifact_type),
        platforms=msgspec.json.decode(record.platforms, type=list[str]),
        size=record.size + record.content_size + below,
        manifest_size=record.size,
        pushed_at=time_of(record.pushed_at),
        pushed_by=record.pushed_by or None,
        pushed_from=record.pushed_from or None,
        last_pulled_at=time_or_none(record.last_pulled_at),
        tags=detail.tags,
        tag_count=detail.tag_count,
        subject=record.subject,
        referrers=detail.referrers,
        annotations=manifest.annotations,
        children=[_child(*pair) for pair in zip(manifest.children, detail.children, strict=True)],
        config=_config(manifest.config, detail.config) if manifest.config else None,
        layers=_layers(manifest.layers, history),
        history=[step for step, _ in history],
        contents=contents,
    )


def _child(descriptor: Descriptor, listed: Listed) -> Child:
    return Child(
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        artifact_type=artifact_type_of(listed.artifact_type or ""),
        platform=(name_of(descriptor.platform) if descriptor.platform else "") or None,
        size=descriptor.size + (listed.content_size or 0),
        manifest_size=descriptor.size,
        present=listed.content_size is not None,
    )


def _config(descriptor: Descriptor, image: ImageConfig | None) -> Config:
    config = Config(descriptor.digest, descriptor.media_type, descriptor.size)
    if image is None:
        return config
    told = {name: value for name, value in image._asdict().items() if name != "history"}
    return msgspec.structs.replace(config, **told)


def _history(detail: Detail) -> list[tuple[Step, int | None]]:
    """Each step, with the number of the layer that it made."""
    if detail.config is None:
        return []
    layers = detail.manifest.layers
    numbers = layer_steps(detail.config, len(layers))
    return [
        (_step(entry, None if number is None else layers[number].digest), number)
        for entry, number in zip(detail.config.history, numbers, strict=True)
    ]


def _step(entry: Entry, layer: str | None) -> Step:
    return Step(entry.created, entry.created_by, entry.comment, entry.empty_layer, layer)


def _layers(descriptors: tuple[Descriptor, ...], history: list[tuple[Step, int | None]]) -> list[Layer]:
    made_by = {number: step for step, number in history if number is not None}
    return [
        Layer(layer.digest, layer.media_type, layer.size, layer.foreign, made_by.get(number))
        for number, layer in enumerate(descriptors)
    ]
