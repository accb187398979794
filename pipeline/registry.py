"""A layout and a repository in, the image in its registry out. Speaks to: oras.

Push is by digest; tags move last, when signature and attestations have been read back. oras skips blobs that the
registry holds already, so that a push that broke off goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from pipeline import tools
from pipeline.errors import BadFile, DiskFull, Interrupted, RegistryFailed, ToolFailed
from pipeline.layout import Layout
from pipeline.model import Image

ATTEMPTS = 4
PUSH_TIMEOUT = 1800.0  # seconds for all the layers of an image
LOOPBACK = re.compile(r"^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?(/|$)")


def push(
    layout: Layout, image: Image, *, say: Callable[[str], None] = lambda _: None, run: tools.Run = tools.run,
    pause: float = 1.0,
) -> None:  # fmt: skip
    """Copy the image to its repository by digest and read it back. Tries again when the connection breaks.

    Raises RegistryFailed when the registry is down, refuses, or holds another digest afterwards.
    """
    argv = ["oras", "cp", "--no-tty", "--from-oci-layout", f"{layout.folder}@{image.digest}",
            *plain_http(image.reference, "--to-plain-http"), image.reference]  # fmt: skip
    for attempt in range(1, ATTEMPTS + 1):
        try:
            run(argv, timeout=patience())
            break
        except ToolFailed as error:
            failed = explained(error, image.reference)
            if attempt == ATTEMPTS or not isinstance(failed, Unsteady):
                raise failed from None
            say(f"attempt {attempt + 1} of {ATTEMPTS}: {failed.what.splitlines()[0]}")
            if tools.stopping():
                raise Interrupted("the push was stopped", hint="the same command goes on from here") from None
            time.sleep(pause * 2 ** (attempt - 1))
    held = digest_of(image.reference, run=run)
    if held != image.digest:
        raise RegistryFailed(f"the registry holds {held or 'nothing'} under {image.reference}",
                             hint="something between here and the registry changes what it carries")  # fmt: skip


def fetch(reference: str, folder: Path, *, run: tools.Run = tools.run) -> None:
    """Copy an image by digest from its registry into an OCI layout folder. Raises RegistryFailed."""
    argv = ["oras", "cp", "--no-tty", *plain_http(reference, "--from-plain-http"), "--to-oci-layout", reference,
            f"{folder}:image"]  # fmt: skip
    try:
        run(argv, timeout=patience())
    except ToolFailed as error:
        raise explained(error, reference) from None


def manifest(reference: str, file: Path, *, run: tools.Run = tools.run) -> None:
    """Write the manifest or index behind a reference by digest into `file`, its bytes as they are.

    The client checks them against the digest. Raises RegistryFailed.
    """
    _fetched(["oras", "manifest", "fetch"], reference, file, run)


def blob(reference: str, file: Path, *, run: tools.Run = tools.run) -> None:
    """Write the blob `repository@digest` into `file`. Raises RegistryFailed."""
    _fetched(["oras", "blob", "fetch", "--no-tty"], reference, file, run)


def _fetched(argv: Sequence[str], reference: str, file: Path, run: tools.Run) -> None:
    try:
        run([*argv, *plain_http(reference, "--plain-http"), "--output", str(file), reference], timeout=patience(120))
    except ToolFailed as error:
        raise explained(error, reference) from None


def blob_chunks(reference: str) -> Generator[bytes, None, None]:
    """Yield the bytes of the blob `repository@digest` as they come; nothing is stored. Raises RegistryFailed."""
    argv = ["oras", "blob", "fetch", "--no-tty", *plain_http(reference, "--plain-http"), "--output", "-", reference]
    try:
        yield from tools.chunks(argv, timeout=patience())
    except ToolFailed as error:
        raise explained(error, reference) from None


def tag(image: Image, tags: Sequence[str], *, run: tools.Run = tools.run) -> None:
    """Point tags at the digest. Raises RegistryFailed."""
    if not tags:
        return
    try:
        run(["oras", "tag", *plain_http(image.reference, "--plain-http"), image.reference, *tags],
            timeout=patience(120))  # fmt: skip
    except ToolFailed as error:
        raise explained(error, image.reference) from None


def digest_of(reference: str, *, run: tools.Run = tools.run) -> str | None:
    """The digest that a registry holds under a reference; None when it holds nothing there."""
    argv = ["oras", "manifest", "fetch", "--descriptor", *plain_http(reference, "--plain-http"), reference]
    try:
        return str(json.loads(run(argv, timeout=patience(120)))["digest"])
    except ToolFailed as error:
        if "not found" in error.stderr or "404" in error.stderr:
            return None
        raise explained(error, reference) from None


def resolver(mirrors: Mapping[str, str], *, run: tools.Run = tools.run) -> Callable[[str], str | None]:
    """Return what asks for the digest behind a tag, at the mirror of its registry where there is one.

    `python:3.12` is docker.io/library/python:3.12. A registry that does not answer is asked once, not once per image.
    """
    down: dict[str, RegistryFailed] = {}

    def digest(image: str) -> str | None:
        host, path = split_registry(image)
        place = f"{mirrors.get(host, host)}/{path}"
        asked = place.partition("/")[0]
        if asked not in down and (why := answers(asked)):
            down[asked] = RegistryFailed(why, hint="name a mirror under `mirrors:` in policy.yaml, or go online")
        if asked in down:
            raise down[asked]
        return digest_of(place, run=run)

    return digest


def split_registry(image: str) -> tuple[str, str]:
    """`python:3.12` → docker.io, library/python:3.12; `ghcr.io/a/b` → ghcr.io, a/b."""
    host, slash, path = image.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return host, path
    return "docker.io", image if slash else f"library/{image}"


def patience(most: float = PUSH_TIMEOUT) -> float:
    """Seconds that one call to a registry may take: SEATRIAL_PUSH_TIMEOUT for a push, at most `most` for the others.

    Raises BadFile when that is no number of seconds.
    """
    chosen = os.environ.get("SEATRIAL_PUSH_TIMEOUT") or str(most)
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", chosen) or float(chosen) <= 0:
        raise BadFile(f"`{chosen}` is no time", file="SEATRIAL_PUSH_TIMEOUT", hint="a number of seconds, like 600")
    return float(chosen) if most >= PUSH_TIMEOUT else min(float(chosen), most)


def plain_http(reference: str, flag: str) -> list[str]:
    """A registry on loopback speaks http; every other one must speak https."""
    return [flag] if LOOPBACK.match(reference) else []


class Unsteady(RegistryFailed):
    """The connection broke, or the registry was overloaded: another attempt may do."""


def explained(error: ToolFailed, reference: str) -> RegistryFailed | DiskFull | ToolFailed:
    """What a registry client's failure means."""
    host = reference.partition("/")[0]
    said = error.stderr
    last = _reason(said)
    if "no space left on device" in said:
        return DiskFull(
            f"no room left while copying to {host}: {last}", hint="free space on the machine that says so"
        )
    if re.search(
        r"\b401\b|unauthorized|authentication required|credential not found|no basic auth", said, re.IGNORECASE
    ):
        return RegistryFailed(f"{host} asks who you are (401): {last}", hint=f"docker login {host}")
    if re.search(r"\b403\b|denied|forbidden", said, re.IGNORECASE):
        return RegistryFailed(f"{host} refuses (403): {last}",
                              hint=f"this account may not write to {reference.partition('@')[0]}")  # fmt: skip
    if re.search(r"connection refused|no such host|no route|network is unreachable", said, re.IGNORECASE):
        return RegistryFailed(f"{host} cannot be reached: {last.rpartition(': ')[2]}",
                              hint="start it (`setup` starts one on loopback), or set SEATRIAL_REGISTRY")  # fmt: skip
    if error.returncode is None:
        return RegistryFailed(f"{host} is too slow: {error.what.splitlines()[0]}",
                              hint="the same command goes on: finished layers are not sent again. "
                                   "SEATRIAL_PUSH_TIMEOUT says how many seconds it may take")  # fmt: skip
    if re.search(r"\bEOF\b|reset by peer|broken pipe|\b5\d\d\b|\b429\b|timeout|closed", said, re.IGNORECASE):
        return Unsteady(f"the connection to {host} broke: {last}",
                        hint="the same command goes on: finished layers are not sent again")  # fmt: skip
    return RegistryFailed(f"{host} did not take it: {last}", hint=error.hint)


def _reason(said: str) -> str:
    """The line that says why, without the address that it was said about: oras ends with an advice of its own."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if line.lower().startswith("error")), "".join(lines[-1:]))
    return told.rpartition('": ')[2][:400] or "no reason given"


def answers(host: str, *, timeout: float = 5) -> str | None:
    """None when a registry answers at `host`, else why not. 401 is an answer: it is there and wants a login."""
    import urllib.error
    import urllib.request

    address = "registry-1.docker.io" if host == "docker.io" else host
    scheme = "http" if LOOPBACK.match(host) else "https"
    try:
        urllib.request.urlopen(f"{scheme}://{address}/v2/", timeout=timeout).close()
    except urllib.error.HTTPError as error:
        error.close()
        return None if error.code in (401, 403) else f"{host} answers {error.code}"
    except (OSError, ValueError) as error:
        return f"{host} does not answer: {getattr(error, 'reason', error)}"
    return None
