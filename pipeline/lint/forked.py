"""Many small pieces of work in, their results in the same order out, worked on by copies of this process.

Speaks to: the operating system (fork). `concurrent.futures` would do the same and takes longer to import than two
hundred Dockerfiles take to judge. Only for a process without threads: a copy has none of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
WORTH_IT = 24  # pieces a process; below that a copy costs more than it saves


def mapped(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return `work` of each item. The results must be picklable; what `work` raises is raised here.

    A copy that ends without an answer (killed, out of memory) loses nothing: its items are worked on here.
    """
    count = min(len(os.sched_getaffinity(0)), len(items) // WORTH_IT)
    if count < 2:
        return [work(item) for item in items]
    shares = [items[number::count] for number in range(count)]
    sys.stdout.flush()
    sys.stderr.flush()
    copies = [_started(work, share) for share in shares[1:]]
    try:
        answers = [[work(item) for item in shares[0]]]
    finally:
        told: list[list[R] | None] = [_answer(process, pipe) for process, pipe in copies]
    for share, answer in zip(shares[1:], told, strict=True):
        answers.append([work(item) for item in share] if answer is None else answer)
    results: list[R] = [answers[0][0]] * len(items)
    for number, answer in enumerate(answers):
        results[number::count] = answer
    return results


def _started(work: Callable[[T], R], share: Sequence[T]) -> tuple[int, int]:
    """Copy this process; the copy works, writes its answer into a pipe and ends. Returns its id and the pipe."""
    import pickle

    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    code = 1
    try:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump([work(item) for item in share], pipe, pickle.HIGHEST_PROTOCOL)
        code = 0
    finally:
        os._exit(code)  # whatever happened: nothing of the caller may run twice


def _answer(process: int, pipe: int) -> list[R] | None:
    """What a copy wrote; None when it did not get that far."""
    import pickle

    with os.fdopen(pipe, "rb") as opened:
        written = opened.read()
    _, status = os.waitpid(process, 0)
    if status != 0:
        return None
    found: list[R] = pickle.loads(written)  # our own copy wrote it
    return found
