"""Many small pieces of work in, their results in the same order out, worked on by copies of this process.

Speaks to: the operating system (fork). `concurrent.futures` would do the same and takes longer to import than two
hundred Dockerfiles take to judge. Only for a process without threads: a copy has none of them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import NoReturn, TypeVar

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
    copies: list[tuple[int, int]] = []
    told: list[list[R] | None] = []
    with _stoppable():
        try:
            with contextlib.suppress(OSError):  # no process or no pipe to be had: its share is ours
                for share in shares[1:]:
                    copies.append(_started(work, share))  # noqa: PERF401  # each is known as soon as it runs
            answers = [[work(item) for item in shares[0]]]
            while copies:
                told.append(_answer(*copies[0]))
                copies.pop(0)
        finally:
            for copy in copies:
                _stop(*copy)
    for share, answer in zip_longest(shares[1:], told):
        answers.append([work(item) for item in share] if answer is None else answer)
    results: list[R] = [answers[0][0]] * len(items)
    for number, answer in enumerate(answers):
        results[number::count] = answer
    return results


def _started(work: Callable[[T], R], share: Sequence[T]) -> tuple[int, int]:
    """Copy this process; the copy works, writes its answer into a pipe and ends. Returns its id and the pipe."""
    import pickle

    reading, writing = os.pipe()
    try:
        process = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
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


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP, which would end us on the spot, pass through what cleans up."""
    ends = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in ends:
        signal.signal(one, _ended)
    try:
        yield
    finally:
        for one in ends:
            signal.signal(one, signal.SIG_DFL)


def _ended(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _stop(process: int, pipe: int) -> None:
    """End a copy that nobody waits for any more."""
    with contextlib.suppress(OSError):  # it may have been waited for already
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    with contextlib.suppress(OSError):
        os.close(pipe)


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
