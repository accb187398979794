"""gpu and refresh: where an image starts, and the facts that this is told from."""

from __future__ import annotations

from collections.abc import Sequence

from invoke import Context, Exit

from pipeline.tasks.shared import FORMAT, opened, result, task, tell


@task(
    positional=["image"],
    iterable=["driver", "gpu", "build_arg"],
    help={
        "image": "an image of the tree (NAME, or NAME-VARIANT), a Dockerfile or its folder, or an image's reference",
        "driver": "judge on this driver, 535 or 535.104.05, instead of the fleet in image.yaml (repeatable)",
        "gpu": "judge on this GPU, A100 or 8.0, instead of the fleet in image.yaml (repeatable)",
        "build_arg": "K=V, as in docker build (repeatable)",
        "target": "judge this stage as the one that ships",
        "format": FORMAT,
    },
)
def gpu(
    c: Context, image: str, driver: Sequence[str], gpu: Sequence[str], build_arg: Sequence[str], target: str = "",
    format: str = "text",
) -> None:  # fmt: skip
    """Say which drivers and GPUs an image starts on; builds nothing.

    seatrial gpu fastapi-gpu                            on the fleet of its image.yaml
    seatrial gpu Dockerfile --driver 535 --gpu V100     on these
    seatrial gpu nvidia/cuda:12.9.1-base-ubuntu24.04 --driver 525.147.05

    Exit 0: it starts everywhere, or nobody can tell. 10: somewhere it cannot start. 3: it could not be looked at.
    """
    with opened(c, format) as session:
        from pipeline import lint
        from pipeline.gpu import show as show_gpu
        from pipeline.gpu import subjects

        asked = subjects.Asked(drivers=tuple(driver), gpus=tuple(gpu), build_args=lint.arguments(build_arg),
                               target=target or None)  # fmt: skip
        found = subjects.where_it_starts(image, asked, session)
        session.progress.pause()
        result(found, "gpu", format, show_gpu.starts)
        if any(one.answer == "no" for one in found.fleet):
            raise Exit(code=10)


@task(
    name="refresh-facts",
    help={
        "registry": "where nvidia/cuda's tags are read: HOST[:PORT][/PATH] (default: docker.io or its mirror)",
        "index": "a package index (default: the one that pip is configured with)",
        "into": "write the tables to this folder instead of into the program",
        "format": FORMAT,
    },
)
def refresh(c: Context, registry: str = "", index: str = "", into: str = "", format: str = "text") -> None:
    """Bring the GPU facts up to date: image tags and wheels.

    Exit 3 when nothing answered: then the facts stay as they are, and their age is told.
    """
    with opened(c, format) as session:
        from pipeline import refresh as refreshing
        from pipeline.gpu import show as show_gpu

        place = registry or session.policy.mirrors.get("docker.io", refreshing.DEFAULT_REGISTRY)
        folder = refreshing.folder_for(into)
        found = refreshing.refresh(registry=place, index=index, folder=folder,
                                   say=lambda what: session.progress.say("facts", what))  # fmt: skip
        session.progress.pause()
        result(found, "refresh", format, show_gpu.refreshed)
        for silent in found.silent:
            tell(f"no answer from the {silent}; its facts stay as they were")
