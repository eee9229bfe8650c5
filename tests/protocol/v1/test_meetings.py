"""Pushes of one image that meet, end early, and are made again; chains with a gap; the same id elsewhere."""

import random
import threading
import time

import pytest

from tests.protocol.client import Client
from tests.protocol.connection import Connection
from tests.protocol.framing import chunk
from tests.protocol.v1.docker import Docker, Image, archive, new_chain, new_image, refused
from tests.protocol.v1.test_tables import BELONGS_NOT, UPLOADING


def test_a_push_ended_early_has_lost_against_the_next(docker: Docker, registry: Client) -> None:
    """Whose content is another one: it is that which counts."""
    image = new_image()
    docker.announce([image])
    assert docker.put_json(image).status == docker.put_layer(image).status == 200
    again = image._replace(json=image.json + b"\n", layer=new_image().layer)
    second = Docker(registry, docker.name)
    second.push([again])
    refused(docker.put_checksum(image), 409, "Cannot set this image checksum")
    refused(docker.put_layer(image), 409, "Image already exists")
    assert second.pull() == [again]


def test_a_layer_of_an_older_attempt_does_not_count(docker: Docker) -> None:
    image = new_image()
    docker.announce([image])
    assert docker.put_json(image).status == docker.put_layer(image).status == docker.put_json(image).status == 200
    docker.put_checksum(image)
    refused(docker.image("GET", image.id, "layer"), 400, UPLOADING)
    assert docker.put_layer(image).status == docker.put_checksum(image).status == 200
    assert docker.image("GET", image.id, "layer").body == image.layer


def test_a_layer_can_be_sent_again(docker: Docker) -> None:
    image = new_image()
    docker.announce([image])
    docker.put_json(image)
    assert docker.put_layer(image._replace(layer=new_image().layer)).status == 200
    refused(docker.put_checksum(image), 400, "Checksum mismatch")
    assert docker.put_layer(image).status == docker.put_checksum(image).status == 200
    assert docker.image("GET", image.id, "layer").body == image.layer


@pytest.mark.parametrize("chunked", [True, False])
def test_a_layer_that_is_cut_off_is_none(docker: Docker, registry: Client, chunked: bool) -> None:
    image = new_image(layer=archive({"x": bytes(300_000)}))
    half = image.layer[:150_000]
    docker.announce([image])
    docker.put_json(image)
    with Connection(registry.address) as connection:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(image.layer)}"
        head = (
            f"PUT /v1/images/{image.id}/layer HTTP/1.1\r\nHost: x\r\nAuthorization: {docker.token}\r\n{framing}\r\n\r\n"
        )
        connection.send(head.encode() + (chunk(half) if chunked else half))
        refused(docker.image("GET", image.id, "layer"), 400, UPLOADING)
        connection.reset()
    refused(docker.image("GET", image.id, "layer"), 400, UPLOADING)
    docker.put_checksum(image._replace(layer=half))
    refused(docker.image("GET", image.id, "layer"), 400, UPLOADING)
    docker.push([image], by="payload")
    assert docker.pull() == [image]


def test_a_chain_with_a_gap_has_no_tag(docker: Docker) -> None:
    """v2 could not show it: every image below the one that is tagged must be whole."""
    chain = new_chain(3)
    docker.announce(chain)
    docker.put_json(chain[0])
    docker.put_layer(chain[0])
    for image in chain[1:]:
        docker.push_one(image)
        refused(docker.tag("latest", image.id), 400, UPLOADING)
    refused(docker.registry("GET", f"repositories/{docker.name}/tags/latest"), 404, "Tag not found")
    assert docker.put_checksum(chain[0]).status == docker.tag("latest", chain[2].id).status == 200
    assert docker.pull() == chain


def test_the_same_id_is_another_image_elsewhere(docker: Docker, registry: Client) -> None:
    chain = new_chain(2)
    docker.push(chain)
    twin = [image._replace(layer=new_image().layer) for image in chain]
    other = Docker(registry)
    other.announce([])
    refused(other.put_json(twin[0]), 400, BELONGS_NOT)
    other.announce(twin)
    refused(other.put_json(twin[1]), 400, "Image depends on a non existing parent")
    other.push(twin)
    assert (docker.pull(), other.pull()) == (chain, twin)


@pytest.mark.parametrize("number", range(3))
def test_whole_pushes_at_once(registry: Client, number: int) -> None:
    """As several machines push that have one base: all come to a good end, after another try perhaps."""
    chain = new_chain(3)
    name = Docker(registry).name
    ends: list[object] = []
    start = threading.Barrier(4)

    def push(images: list[Image]) -> None:
        last: object = None
        start.wait()
        for _ in range(30):
            try:
                with Client(registry.address) as client:
                    Docker(client, name).push(images)
                last = "pushed"
                break
            except AssertionError as error:
                last = error
                time.sleep(random.uniform(0, 0.5))  # as people do, who do not all try again at one moment
        ends.append(last)

    threads = [threading.Thread(target=push, args=(chain,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ends == ["pushed"] * 4
    assert Docker(registry, name).pull() == chain


def test_as_many_images_as_docker_can_stack(docker: Docker) -> None:
    chain = new_chain(127)
    docker.push(chain)
    assert docker.image("GET", chain[-1].id, "ancestry").json() == [image.id for image in reversed(chain)]
    assert docker.pull() == chain
    docker.push([*chain, new_image(chain[-1].id)], "more")


def test_ids_of_16_digits(docker: Docker) -> None:
    chain = new_chain(2)
    short = [
        image._replace(id=image.id[:16], json=image.json.replace(chain[0].id.encode(), chain[0].id[:16].encode()))
        for image in chain
    ]
    short[1] = short[1]._replace(json=short[1].json.replace(chain[1].id.encode(), chain[1].id[:16].encode()))
    docker.push(short)
    assert docker.pull() == short
