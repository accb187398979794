"""Work spread over copies of this process comes back in its order, whatever becomes of a copy."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.lint import forked
from tests.conftest import seatrial

HERE = os.getpid()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(forked, "WORTH_IT", 2)


def test_results_are_in_the_order_of_the_items_and_copies_did_some():
    found = forked.mapped(lambda item: (item * 2, os.getpid()), list(range(9)))
    assert [doubled for doubled, _ in found] == [item * 2 for item in range(9)]
    assert len({process for _, process in found}) == 2


def test_a_few_items_are_worked_on_here():
    assert {process for process in forked.mapped(lambda _: os.getpid(), [1, 2, 3])} == {HERE}


def test_what_a_killed_copy_did_not_answer_is_worked_on_here():
    def work(item):
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    assert forked.mapped(work, list(range(8))) == list(range(8))


@pytest.fixture
def all_gone(monkeypatch):
    """Asserts that every copy that was started has ended and was waited for; other tests have children of theirs."""
    started = []

    def fork(real=os.fork):
        started.append(real())
        return started[-1]

    def gone():
        assert started
        for process in started:
            with pytest.raises(ChildProcessError):
                os.waitpid(process, os.WNOHANG)

    monkeypatch.setattr(os, "fork", fork)
    return gone


def test_what_work_raises_is_raised_here_and_no_copy_is_left(all_gone):
    def work(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        forked.mapped(work, list(range(8)))
    all_gone()


def test_what_no_process_can_be_had_for_is_worked_on_here(monkeypatch):
    def refuse():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = open_files()
    monkeypatch.setattr(os, "fork", refuse)
    assert forked.mapped(lambda item: (item, os.getpid()), list(range(8))) == [(item, HERE) for item in range(8)]
    assert open_files() == before


def test_an_interruption_here_ends_a_copy_that_would_never_end(all_gone):
    def work(item):
        if os.getpid() != HERE:
            signal.pause()
        raise KeyboardInterrupt

    before = open_files()
    with pytest.raises(KeyboardInterrupt):
        forked.mapped(work, list(range(8)))
    all_gone()
    assert open_files() == before


def test_sigterm_while_a_copy_works_ends_it_too_and_is_as_it_was_afterwards(all_gone):
    def work(item):
        if os.getpid() != HERE:
            signal.pause()
        os.kill(HERE, signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        forked.mapped(work, list(range(8)))
    all_gone()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_many_files_say_the_same_as_each_alone(tmp_path):
    for number in range(60):
        folder = tmp_path / f"{number:02}"
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"FROM nvidia/cuda:12.{number}.1-devel-ubuntu22.04\nRUN apt install x\n")
    (tmp_path / "07" / "Dockerfile").write_text("FROM\n")
    together = seatrial("lint", ".", cwd=tmp_path)
    one_core = subprocess.run(["taskset", "-c", "0", f"{sys.prefix}/bin/seatrial", "lint", "."], cwd=tmp_path,
                              capture_output=True, text=True, check=False)  # fmt: skip
    assert together.returncode == one_core.returncode == 3
    assert together.stdout == one_core.stdout
    assert together.stdout.count("error devel-image-shipped") == 59
