"""build, measure, scan, smoke, push, sign: one stage alone."""

from __future__ import annotations

from invoke import Context, Exit

from pipeline.errors import PolicyViolated
from pipeline.tasks.shared import ANYWHERE, FORMAT, IMAGE, opened, result, task

VERIFY = "of a file or folder, read every byte and check each layer's diff ID, as for an image of the tree"


@task(positional=["image"], help={"image": IMAGE, "fresh": "every step again, bases pulled again", "format": FORMAT})
def build(c: Context, image: str, fresh: bool = False, format: str = "text") -> None:
    """Build an image of the tree, and what it builds on."""
    with opened(c, format) as session:
        from pipeline import flow, show, single

        options = flow.Options(fresh=fresh)
        found = single.built(session.workspace, image, session.policy, options, session.progress.say)
        session.progress.pause()
        result(found, "build", format, show.build)


@task(
    positional=["image"],
    help={
        "image": ANYWHERE,
        "format": FORMAT,
        "verify": VERIFY,
        "bandwidth": "of a node, as 100Mbit or 2.5Gbit: predict its pulls, with zstd as well (1Gbit, without zstd)",
    },
)
def measure(c: Context, image: str, format: str = "text", verify: bool = False, bandwidth: str = "") -> None:
    """Weigh an image: bytes by line, folder and package, waste by cause, what will not start, what a pull takes.

    seatrial measure api                          built from the cache, if nothing changed
    seatrial measure nvidia/cuda:12.9.1-base      from the engine, else its registry; docker:// asks that alone
    seatrial measure image.tar --format json      an archive or OCI layout; all rows
    seatrial measure api --bandwidth 200Mbit      pulls by a node behind that

    Exit 0: weighed. 3: it could not be read, or must not be trusted.
    """
    with opened(c, format) as session:
        from pipeline import single
        from pipeline.report import weighed
        from pipeline.wire.pull import bits_per_second

        rate = bits_per_second(bandwidth) if bandwidth else None
        if session.elsewhere(image) or ":" in image:  # no image of the tree has one in its name
            found = single.weighed_from(image, verify=verify, bandwidth=rate,
                                        say=lambda what: session.progress.say(image, what))  # fmt: skip
        else:
            found = single.weighed(session.workspace, image, session.policy, session.progress.say, bandwidth=rate)
        session.progress.pause()
        result(found.measurement, "measure", format, weighed.weighed)


@task(positional=["image"], help={"image": ANYWHERE, "format": FORMAT})
def scan(c: Context, image: str, format: str = "text") -> None:
    """Scan an image: vulnerabilities, secrets, packages, SBOM."""
    with opened(c, format) as session:
        from pipeline import show, single

        if session.elsewhere(image):
            found = single.scanned_from(image, session.policy)
        else:
            found = single.scanned(session.workspace, image, session.policy, session.progress.say)
        session.progress.pause()
        result(found, "scan", format, show.scan)


@task(positional=["image"], help={"image": IMAGE, "format": FORMAT})
def smoke(c: Context, image: str, format: str = "text") -> None:
    """Start an image, ask its probes, stop it.

    As image.yaml's `smoke` says: hardened, with a GPU where there is one. Exit 10 when a probe fails.
    """
    with opened(c, format) as session:
        from pipeline import show, single

        found = single.smoked(session.workspace, image, session.policy, session.progress.say)
        session.progress.pause()
        result(found, "smoke", format, show.smoke)
        if any(outcome.outcome == "failed" for outcome in found.outcomes):
            raise Exit(code=PolicyViolated.exit_code)


@task(positional=["image"], help={"image": IMAGE})
def push(c: Context, image: str) -> None:
    """Push the newest proven digest of an image.

    A digest whose newest record does not say "passed" is refused: exit 10.
    """
    with opened(c) as session:
        from pipeline import single

        recipe = session.workspace.named(image)
        print(single.push_proven(recipe, session.newest_record(image), session.progress.say))


@task(positional=["image"], help={"image": IMAGE})
def sign(c: Context, image: str) -> None:
    """Sign the newest proven digest and attest its record."""
    with opened(c) as session:
        from pipeline import single

        recipe = session.workspace.named(image)
        print(
            single.sign_proven(
                recipe, session.newest_record(image), session.save_document, session.progress.say
            ).reference
        )
