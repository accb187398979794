"""Where `seatrial` and `./inv` start: a plain `lint` is answered at once, everything else goes through Invoke.

An editor and a pre-commit hook wait for every lint, and importing Invoke takes longer than judging a Dockerfile. What
is not understood here at first sight (--help, a typing error, a second task) or ends in an error is left to Invoke,
which then does all of it and says it in its own words.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.lint import Asked


def main(name: str = "seatrial") -> None:
    """Run `seatrial TASK …`."""
    _open_streams()
    code: int | str | None = 0
    try:
        words = sys.argv[1:]
        root = None
        if words[:1] == ["--search-root"]:  # what ./inv says of itself
            root, words = words[1], words[2:]
        code = _lint(words[1:], root) if words[:1] == ["lint"] else None
        if code is None:
            from pipeline import program

            code = 0
            program.main(name)
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:  # before there was anybody to say it better
        code = _complained("interrupted; what was started has been stopped\n  try: run it again")
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF):
            raise
        code = _not_written(error)
    sys.exit(_written(code))


def _open_streams() -> None:
    """Let a stream that was closed when we began drop what it gets: Python leaves None there."""
    for name in ("stdin", "stdout", "stderr"):  # in the order of their numbers, so that each gets its own
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _written(code: int | str | None) -> int | str | None:
    """Send what is left for stdout on its way. The exit code is 3 when that fails, for a full disk for example."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our stdout, `head` for example, has seen enough
        _drop_stdout()
    except OSError as error:
        return _not_written(error)
    return code


def _not_written(error: OSError) -> int:
    _drop_stdout()
    return _complained(f"stdout: the result cannot be written: {error.strerror}\n  try: free some space")


def _drop_stdout() -> None:
    """Python writes what is left once more when it ends, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complained(words: str) -> int:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"seatrial: {words}\n")
        sys.stderr.flush()
    return 3


def _lint(words: Sequence[str], root: str | None) -> int | None:
    """Answer a lint and return its exit code; None where Invoke must do it."""
    from pipeline.errors import PipelineError
    from pipeline.lint import answer
    from pipeline.settings import find_root

    asked = _asked(words)
    if asked is None:
        return None
    gc.disable()  # we end before it pays: of a huge file it takes half of the time
    try:
        text, code, notes = answer(asked, find_root(root))
    except PipelineError:
        return None
    with contextlib.suppress(OSError):
        sys.stderr.writelines(f"{note}\n" for note in notes)
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        _drop_stdout()
    return code


def _asked(words: Sequence[str]) -> Asked | None:
    """The options and paths as `Asked`; None for anything that is not plainly that."""
    from pipeline.lint import Asked

    defaults = Asked()._asdict()
    found: dict[str, list[str]] = {}
    waiting = iter(words)
    for word in waiting:
        if not word.startswith("-"):
            if not os.path.lexists(word):
                return None
            found.setdefault("paths", []).append(word)
            continue
        option, equals, value = word.partition("=")
        name = {"--build-arg": "build_args"}.get(option, option[2:].replace("-", "_"))
        if not option.startswith("--") or name not in defaults or name == "paths":
            return None
        value = value if equals else next(waiting, "")
        if not value or value.startswith("-"):
            return None
        found.setdefault(name, []).append(value)
    values = {name: tuple(said) if isinstance(defaults[name], tuple) else said[-1] for name, said in found.items()}
    return Asked(**values)  # type: ignore[arg-type]  # each has the type of its default


if __name__ == "__main__":
    main("inv")
