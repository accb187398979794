"""The one place that starts programs: no shell, no leftovers, failures in words."""

import subprocess
import time

import pytest

from pipeline import tools
from pipeline.errors import ToolFailed, ToolMissing, ToolUntrusted


def running(marker):
    return subprocess.run(["pgrep", "-f", marker], capture_output=True, text=True, check=False).stdout.split()


def test_an_argument_is_a_word_and_never_shell():
    assert tools.run(["printf", "%s", "$(id); `id` && id"]) == "$(id); `id` && id"


def test_a_program_that_is_not_there_says_how_to_get_it():
    with pytest.raises(ToolMissing, match="no-such-program is not installed") as caught:
        tools.run(["no-such-program"])
    assert "setup" in caught.value.hint


def test_a_failure_shows_the_last_ten_lines_and_the_command_to_paste():
    with pytest.raises(ToolFailed) as caught:
        tools.run(["sh", "-c", "seq 1 30 >&2; exit 7"])
    shown = caught.value.what.splitlines()
    assert (len(shown), shown[1].strip(), shown[-1].strip()) == (11, "21", "30")
    assert caught.value.returncode == 7
    assert caught.value.hint == "by hand: sh -c 'seq 1 30 >&2; exit 7'"


def test_a_program_that_takes_too_long_is_ended_with_its_children():
    with pytest.raises(ToolFailed, match=r"ran longer than 1 s"):
        tools.run(["sh", "-c", "sleep 7331 & sleep 7331"], timeout=1)
    time.sleep(0.2)
    assert running("sleep 7331") == []


def test_lines_arrive_while_the_program_still_runs():
    seen = []

    def on_line(line):
        seen.append((line.strip(), time.monotonic()))

    tools.stream(["sh", "-c", "echo one >&2; sleep 0.5; echo two >&2"], on_line)
    assert [line for line, _ in seen] == ["one", "two"]
    assert seen[1][1] - seen[0][1] > 0.3


def test_bytes_that_are_not_the_ones_we_know_are_not_started(tmp_path):
    program = tmp_path / "scanner"
    program.write_bytes(b"other")
    with pytest.raises(ToolUntrusted, match="it was not started"):
        tools.trusted(program, "0" * 64, "Trivy")
    assert tools.trusted(program, tools.sha256_of(program), "Trivy") == program


def test_a_signal_while_a_program_is_being_started_ends_that_program(monkeypatch):
    """The handler may not raise before anybody could end the program; it would run on, with nobody to end it."""
    started = []

    class Starting(subprocess.Popen):
        def __init__(self, *words, **more):
            super().__init__(*words, **more)
            started.append(self)
            assert tools.interrupt() is False  # what the handler asks: here it must not raise

    monkeypatch.setattr(tools.subprocess, "Popen", Starting)
    try:
        with pytest.raises(KeyboardInterrupt):
            tools.run(["sleep", "60"])
        assert started[0].poll() is not None
        assert tools.interrupt() is True
    finally:
        tools.resume()
