"""The console script `seatrial`: the same Invoke tasks as a program of their own, for any repository."""

from __future__ import annotations

from importlib.metadata import version


def main() -> None:
    """Run `seatrial TASK …`."""
    from invoke import Collection, Program

    from pipeline import tasks

    Program(
        name="seatrial", binary="seatrial", version=version("seatrial"), namespace=Collection.from_module(tasks)
    ).run()
