"""The tasks of this repository: the product's own, from pipeline/tasks.py, and the developer's (test, bench)."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke import Collection, Context, Exit, task

from pipeline import tasks as product
from pipeline import tools

HERE = Path(__file__).parent


@task(help={"select": "pytest's -k expression", "fast": "leave out tests that use real engines and registries"})
def test(c: Context, select: str = "", fast: bool = False) -> None:
    """Run the tests, after setting up what they need."""
    from pipeline.session import set_up
    from pipeline.setup import missing_for_tests, ready

    with product.expected_errors():
        if not fast and (ready() or missing_for_tests()):
            set_up(yes=False, tell=lambda words: print(words, file=sys.stderr, flush=True), tests=True)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        *(["-k", select] if select else []),
        *(["-m", "not real"] if fast else []),
    ]
    code = tools.attached(argv, cwd=HERE)
    if code:
        raise Exit(code=code)


@task(positional=["image"], help={"image": "an image of the tree that was released before"})
def bench(c: Context, image: str = "debian-base") -> None:
    """Measure a release of an unchanged image."""
    _measured("release.py", image)


@task(help={"corpus": "a folder of real Dockerfiles; without it they are made up at the sizes of real ones"})
def bench_lint(c: Context, corpus: str = "") -> None:
    """Measure lint and parse on 200 Dockerfiles, beside the peers."""
    _measured("lint.py", *([corpus] if corpus else []))


@task(help={"folder": "where the archives are made and kept (30 GB); without it the cache"})
def bench_measure(c: Context, folder: str = "") -> None:
    """Weigh four big images, beside dive."""
    _measured("measure.py", *([folder] if folder else []))


@task
def bench_defects(c: Context) -> None:
    """Count what each linter catches of the seeded GPU defects."""
    _measured("defects.py", "--each")


def _measured(script: str, *words: str) -> None:
    with product.expected_errors():
        raise Exit(code=tools.attached([sys.executable, str(HERE / "bench" / script), *words], cwd=HERE))


@task
def check(c: Context) -> None:
    """Types, style and format: what CI asks before the tests."""
    for argv in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        if tools.attached([sys.executable, "-m", *argv], cwd=HERE):
            raise Exit(code=3)


@task
def schemas(c: Context) -> None:
    """Write docs/schema/*.json again."""
    from pipeline.schemas import SCHEMAS, text_of

    for name in SCHEMAS:
        (HERE / "docs" / "schema" / name).write_text(text_of(name), encoding="utf-8")


ns = Collection.from_module(product)
for one in (test, bench, bench_lint, bench_measure, bench_defects, check, schemas):
    ns.add_task(one)  # type: ignore[arg-type]  # invoke types `task` as a plain callable
ns.configure({"seatrial_root": str(HERE)})
