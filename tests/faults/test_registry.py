"""Registries that are down, refuse, never answer or break off: told as what they are, and a push goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.faults.drill import DOCKERFILE, Drill, squeezed
from tests.faults.network import Refusing, Silent, Wire

pytestmark = pytest.mark.real


def elsewhere(drill: Drill, host: str, dockerfile: str = DOCKERFILE) -> str:
    """The drill's image, shipped to another registry; returns the repository without the host."""
    repository = f"{drill.prefix}/tiny"
    drill.image(repository=f"{host}/{repository}", dockerfile=dockerfile)
    return repository


def unpushed(drill: Drill, *said: str, **environment: str) -> None:
    ended = drill.run("release", **environment)
    assert ended.code == 3, ended.said
    for words in said:
        assert squeezed(words) in ended.told, ended.said
    assert squeezed("try: ") in ended.told, ended.said
    record = drill.record()
    assert record["verdict"]["outcome"] == "passed"
    assert record["pushed"] is None
    assert record["pushed"] is None


def test_a_registry_that_is_down_is_told_as_such(drill: Drill, free_port: Callable[[], int]) -> None:
    host = f"127.0.0.1:{free_port()}"
    elsewhere(drill, host)
    unpushed(drill, f"{host} cannot be reached", "SEATRIAL_REGISTRY")


@pytest.mark.parametrize(
    ("status", "said"), [(401, "asks who you are (401)"), (403, "refuses (403)")], ids=["401", "403"]
)
def test_a_registry_that_refuses_is_told_as_such(drill: Drill, status: int, said: str) -> None:
    with closing(Refusing(status)) as registry:
        elsewhere(drill, registry.address)
        advice = f"docker login {registry.address}" if status == 401 else "this account may not write to"
        unpushed(drill, f"{registry.address} {said}", advice)


def test_a_registry_that_never_answers_is_given_up(drill: Drill) -> None:
    with closing(Silent()) as registry:
        elsewhere(drill, registry.address)
        unpushed(drill, f"{registry.address} is too slow", "SEATRIAL_PUSH_TIMEOUT", SEATRIAL_PUSH_TIMEOUT="2")


@pytest.fixture
def large(drill: Drill) -> Iterator[str]:
    """A Dockerfile with a layer that no compression makes small."""
    (drill.image() / "weights").write_bytes(os.urandom(6_000_000))
    yield DOCKERFILE + "COPY weights /weights\n"


def test_a_push_that_breaks_off_goes_on_and_sends_no_finished_layer_twice(
    drill: Drill, registry: str, pushed: Callable[[str], set[str]], large: str
) -> None:
    with closing(Wire(registry, after=2_000_000, cuts=2, settled=2)) as wire:
        repository = elsewhere(drill, wire.address, large)
        ended = drill.run("release")
        assert ended.code == 0, ended.said
        assert ended.err.count(f"the connection to {wire.address} broke") == 2
        assert squeezed("attempt 3 of 4") in ended.told, ended.said
        layers = sorted(drill.record()["measure"]["layers"], key=lambda layer: layer["compressed_bytes"])
        small, big = (wire.puts[layer["digest"].removeprefix("sha256:")] for layer in layers)
        assert (small, big) == (1, 3)
        assert wire.sent < 6_000_000 + 2 * 2_500_000 + 1_500_000
    assert drill.record()["digest"].removeprefix("sha256:") in pushed(repository)


def test_a_wire_that_always_breaks_is_given_up_after_four_attempts(
    drill: Drill, registry: str, pushed: Callable[[str], set[str]], large: str
) -> None:
    with closing(Wire(registry, after=2_000_000, cuts=1000)) as wire:
        repository = elsewhere(drill, wire.address, large)
        unpushed(drill, f"the connection to {wire.address} broke", "finished layers are not sent again")
        assert 0 < wire.cuts <= 996
    assert not pushed(repository)


def test_a_repository_that_holds_something_else_under_the_tag_keeps_it_until_the_evidence_is_there(
    drill: Drill, registry: str, pushed: Callable[[str], set[str]]
) -> None:
    """The tag moves last: when signing fails, what the tag meant before is what it still means."""
    drill.image()
    assert drill.run("release").code == 0
    first = drill.record()["digest"]
    with closing(Wire(registry, stalls="PUT /v2/[^ ]*/manifests/sha256-")) as wire:
        drill.image(dockerfile=DOCKERFILE + "LABEL version=2\n", repository=f"{wire.address}/{drill.prefix}/tiny")
        ended = drill.run("release", SEATRIAL_PUSH_TIMEOUT="2")
        assert wire.stalled.is_set()
        assert ended.code == 3, ended.said
    held = drill.run("verify", f"{drill.reference()}:latest", "--format", "json")
    assert held.code == 0, held.said
    assert held.document()["digest"] == first
