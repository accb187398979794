"""Whatever lies in a folder: one error with its place, every other file judged, no traceback, and an end."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import PROGRAM, ROOT, seatrial

GOOD = "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN pip install torch\n"
ALIASES = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{f'b{n - 1}' if n else 'a'}, *a]\n" for n in range(40))


@pytest.fixture
def folder(tmp_path):
    """A folder with one good Dockerfile, and bad/ for what is not."""
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "Dockerfile").write_text(GOOD)
    (tmp_path / "bad").mkdir()
    return tmp_path


def judged(folder, *words):
    """Lint the folder; the good file's finding is there, whatever else is, and nothing broke."""
    ended = seatrial("lint", ".", "--format", "json", *words, cwd=folder)  # a hang is pytest's timeout
    assert "Traceback" not in ended.stderr
    found = json.loads(ended.stdout)
    assert "devel-image-shipped" in [one["rule"] for one in found["findings"] if one["file"] == "good/Dockerfile"]
    assert ended.returncode == (3 if found["errors"] else 10)
    return found


def alone(folder, *words):
    ended = seatrial("lint", *words, cwd=folder)
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr
    return ended.stderr + ended.stdout


def fifo(place):
    os.mkfifo(place)


def bound(place):
    here = Path.cwd()
    os.chdir(place.parent)  # the name of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(place.name)
    finally:
        os.chdir(here)


def huge(place):
    with place.open("wb") as file:
        file.truncate(100_000_000)


BAD = {
    "a link to itself": (lambda place: place.symlink_to(place.name), "link"),
    "a dangling link": (lambda place: place.symlink_to("nowhere"), "no such file"),
    "a FIFO": (fifo, "not a regular file"),
    "a socket": (bound, "cannot be read"),
    "a file of 100 MB": (huge, "larger than 1 MB"),
    "a file with NUL bytes": (lambda place: place.write_bytes(b"FROM a\n\0"), "NUL"),
    "UTF-16": (lambda place: place.write_text("FROM a\n", "utf-16"), "NUL"),
    "Latin-1": (lambda place: place.write_bytes(b"FROM a\nRUN echo \xe9\n"), "not UTF-8"),
    "an empty file": (lambda place: place.write_text(""), ""),
    "a here-document without an end": (lambda place: place.write_text("FROM a\nRUN <<E\n" + "x\n" * 300_000), ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_dockerfile_is_one_error_and_all_others_are_judged(folder, kind):
    make, words = BAD[kind]
    make(folder / "bad" / "Dockerfile")
    (error,) = judged(folder)["errors"]
    assert error["file"] == "bad/Dockerfile"
    assert words in error["message"]
    assert "bad/Dockerfile" in alone(folder, "bad/Dockerfile")


LONG = {
    "one line of a megabyte": "FROM a\nRUN echo " + "x " * 490_000,
    "ten thousand stages": "".join(f"FROM {f's{n - 1}' if n else 'a'} AS s{n}\n" for n in range(10_000)),
    "half a million comments": "FROM a\n" + "#\n" * 490_000,
    "twenty thousand waivers": "FROM a\n" + "# policy: allow x until 2027-01-01 -- y\n" * 20_000 + "USER a\n",
    "as many of a rule that found something": "FROM a\n" + "# policy: allow sudo-in-build -- y\nRUN sudo x\n" * 8_000,
    "twenty thousand installs in here-documents": "FROM a\n" + "RUN <<E\napt-get install x\nE\n" * 20_000,
    "thousands of copies and installs": "FROM python:3\n" + "COPY . /a\nRUN pip install -r /a/r.txt\n" * 8_000,
    "thousands of archives": "FROM a\n" + "COPY a.zip /\nRUN unzip a.zip\n" * 8_000,
    "defaults in defaults": "ARG x=" + "${a:-" * 5_000 + "z" + "}" * 5_000 + "\nFROM ${x}\n",
    "a value that doubles": "FROM a\nENV a0=aaaa\n" + "".join(f"ENV a{n}=$a{n - 1}$a{n - 1}\n" for n in range(1, 60)),
}  # fmt: skip


@pytest.mark.parametrize("kind", LONG)
def test_a_huge_dockerfile_comes_to_an_end(folder, kind):
    (folder / "bad" / "Dockerfile").write_text(LONG[kind])
    judged(folder)


BESIDE = {
    "image.yaml": ("x: " + "[" * 100_000, "nested too deeply"),
    "compose.yaml": ("services: [\n", "not YAML"),
    "compose.yml": ("services: some\n", "`services` must hold names"),
    "docker-bake.hcl": ('target "a" ' + "{ b " * 10_000, "bad/docker-bake.hcl"),
    "docker-bake.json": ("[[" * 50_000, "bad/docker-bake.json"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_describes_a_build_may_be_broken_too(folder, name):
    text, words = BESIDE[name]
    (folder / "bad" / "Dockerfile").write_text(GOOD)
    (folder / "bad" / name).write_text(text)
    (error,) = judged(folder)["errors"]
    assert error["file"] == f"bad/{name}"
    assert words in error["message"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("image.yaml", ALIASES),
        ("compose.yaml", f"x-a:\n  {ALIASES.replace(chr(10), chr(10) + '  ')}\nservices:\n  s: {{image: *b39}}\n"),
        ("compose.yaml", "services:\n  a: {extends: b}\n  b: {extends: a}\n"),
        ("compose.yaml", "include: [compose.yaml]\nservices:\n  a: {image: x}\n"),
        ("docker-bake.hcl", 'target "a" { inherits = ["b"] }\ntarget "b" { inherits = ["a"] }\n'),
        ("docker-bake.hcl", "".join(f'target "t{n}" {{ inherits = ["t{n + 1}", "t{n + 1}", "t{n + 1}"] }}\n'
                                    for n in range(40)) + 'target "t40" {}\n'),
        ("docker-bake.hcl", 'function "f" {\n params = [x]\n result = "${f(x)}${f(x)}"\n}\n'
                            'target "a" { args = {x = f("a")} }\n'),
        ("docker-bake.hcl", f'target "a" {{ dockerfile = "{"x" * 300}" }}\ntarget "b" {{ dockerfile = "\\0" }}\n'),
        (".dockerignore", "**/a*b*?/[a-z]*\n" * 30_000),
    ],
    ids=["yaml aliases", "compose aliases", "extends in a circle", "includes itself", "inherits in a circle",
         "inherits three times, forty times", "a function of itself", "names too long", "many patterns"],
)  # fmt: skip
def test_a_bomb_beside_a_dockerfile_does_not_go_off(folder, name, text):
    (folder / "bad" / "Dockerfile").write_text("FROM a\nCOPY . /x\n")
    (folder / "bad" / name).write_text(text)
    judged(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "dependencies: " + "{a: " * 100_000])
def test_an_environment_nested_without_end_does_not_end_the_program(folder, text):
    (folder / "bad" / "Dockerfile").write_text(
        "FROM condaforge/miniforge3\nCOPY . .\nRUN conda env create -f e.yml\n"
    )
    (folder / "bad" / "e.yml").write_text(text)
    judged(folder)


def test_every_pipe_beside_a_dockerfile_is_left_closed(folder):
    (folder / "bad" / "Dockerfile").write_text("FROM python:3\nCOPY . .\nRUN pip install -r r.txt\n")
    (folder / "bad" / "compose.yaml").write_text(
        "services:\n  a: {image: x, env_file: e, extends: {file: f, service: s}}\n"
    )
    for name in (".env", "e", "f", "r.txt", ".dockerignore"):
        os.mkfifo(folder / "bad" / name)
    judged(folder)


@pytest.mark.parametrize("task", ["lint", "fix", "gpu"])
def test_a_name_that_is_too_long_is_an_error(folder, task):
    ended = seatrial(task, f"{'x' * 300}/Dockerfile", cwd=folder)
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a file")
def test_closed_files_and_folders_are_errors(folder):
    from pipeline import lint
    from pipeline.lint import ruleset
    from policies import RULES

    (folder / "bad" / "inner").mkdir()
    for file in (folder / "bad" / "Dockerfile", folder / "bad" / "inner" / "Dockerfile"):
        file.write_text(GOOD)
    (folder / "bad" / "Dockerfile").chmod(0)
    (folder / "bad" / "inner").chmod(0)
    for above in (folder, *folder.parents[:3]):
        above.chmod(0o755)
    paths = [folder, folder / "bad" / "inner" / "Dockerfile"]
    rules = ruleset.read(ruleset.SHIPPED, frozenset(rule.id for rule in RULES))
    lint.lint(paths, rules)  # everything is imported from here on: somebody else may not read our Python
    reading, writing = os.pipe()
    if (process := os.fork()) == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            os.write(writing, "\n".join(sorted(one.file for one in lint.lint(paths, rules).errors)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(process, 0)
    with os.fdopen(reading) as opened:
        files = opened.read().split("\n")
    assert files == [str(folder / "bad" / name) for name in ("Dockerfile", "inner", "inner/Dockerfile")]


@pytest.mark.parametrize("format", ["text", "sarif", "junit", "github", "gitlab", "markdown"])
def test_a_file_name_is_words_and_nothing_else(folder, format):
    for end in (b"\n::error::x", b"\x1b[31mred", b"\xff", b"::warning file=x::y", b"\"'<&>`|%0A", b"x" * 200):
        (folder / "bad" / os.fsdecode(b"Dockerfile." + end)).write_text("FROM\n")
    ended = seatrial("lint", ".", "--format", format, cwd=folder)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "\x1b" not in ended.stdout
    assert not [line for line in ended.stdout.split("\n") if line.startswith("::error::x")]


def test_a_file_that_goes_away_while_it_is_judged_takes_nothing_with_it(folder, monkeypatch):
    from pipeline import lint

    once = lint.lint

    def and_then_delete(*words, **more):
        found = once(*words, **more)
        (folder / "good" / "Dockerfile").unlink()
        return found

    monkeypatch.setattr(lint, "lint", and_then_delete)
    text, code, _ = lint.answer(lint.Asked((str(folder),)), folder)
    assert code == 10
    assert "devel-image-shipped" in text


OWN = "import sys\nfrom pipeline.model import Fix, Edit, Problem, Rule, Severity, Span\n\n\n{}\n\n\n" + (
    "RULE = Rule(id='mine', severity=Severity.WARNING, hint='none', look=look)\n"
)


def with_own_rule(folder, body):
    (folder / "rules").mkdir()
    (folder / "rules" / "mine.py").write_text(OWN.format(body))
    (folder / "rules" / "mine.md").write_text("# mine\n")
    shipped = (ROOT / "policies" / "policy.yaml").read_text()
    (folder / "policy.yaml").write_text(f"own_rules: ./rules\n{shipped}")
    return "--policy", "policy.yaml"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def look(dockerfile, context):\n    raise ValueError('boom')", "ValueError: boom"),
        ("def look(dockerfile, context):\n    yield Problem(1, 'x')\n    sys.exit(0)", "sys.exit(0)"),
        ("def look(dockerfile, context):\n    return None", "TypeError"),
        ("def look(dockerfile, context):\n    yield 'words'", "not Problem"),
        ("def look(dockerfile, context):\n    yield Problem(1, 7)", "not Problem"),
        ("def look(dockerfile, context):\n    yield Problem(0, 'x')", "lines count from 1"),
        ("def look(dockerfile, context):\n    yield Problem(1, 'x', at=Span(4, 10**9))", "bytes 4 to 1000000000"),
        ("def look(dockerfile, context):\n    return look(dockerfile, context)", "RecursionError"),
    ],
)
def test_a_rule_of_ones_own_that_breaks_takes_nothing_with_it(folder, body, words):
    found = judged(folder, *with_own_rule(folder, body))
    assert [words in error["message"] for error in found["errors"]] == [True]


def test_what_a_rule_of_ones_own_prints_is_no_part_of_the_report(folder):
    policy = with_own_rule(folder, "def look(dockerfile, context):\n    print('hello')\n    return ()")
    ended = seatrial("lint", ".", "--format", "json", *policy, cwd=folder)
    assert json.loads(ended.stdout)["errors"] == []
    assert ended.stderr == "hello\n"


def test_fix_tells_of_a_rule_that_broke(folder):
    policy = with_own_rule(folder, "def look(dockerfile, context):\n    raise ValueError('boom')")
    ended = seatrial("fix", ".", "--diff", *policy, cwd=folder)
    assert ended.returncode == 3
    assert "the rule mine broke off: ValueError: boom" in ended.stdout
    assert "+RUN pip install --no-cache-dir torch" in ended.stdout


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("files", [1, 60], ids=["one file", "many files, two processes"])
def test_a_rule_that_hangs_is_ended_by_a_signal_and_nothing_is_left(folder, end, files):
    policy = with_own_rule(
        folder, "def look(dockerfile, context):\n    open('started', 'w').close()\n    while True:\n        pass"
    )
    for number in range(files):
        (folder / "bad" / f"Dockerfile.{number}").write_text(GOOD)
    process = subprocess.Popen(
        [str(PROGRAM), "lint", ".", *policy], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while not (folder / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(end)
    out, err = process.communicate(timeout=10)
    assert out == ""
    if end == signal.SIGINT:
        assert (process.returncode, err) == (
            3,
            "seatrial: interrupted; what was started has been stopped\n  try: run it again\n",
        )
    else:
        assert process.returncode in (-signal.SIGTERM, 3)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize(
    "when",
    [
        "[1, 2].map(a, [1, 2].map(b, [1, 2].map(c, 1))).size() > 0",
        'stage.environment.all(k, stage.environment.all(l, stage.environment.all(m, k != "\')(")))',
        f'stage.base == "{"x" * 5000}"',
    ],
)
def test_a_condition_that_could_run_for_ever_is_refused_where_the_policy_is_read(folder, when):
    shipped = (ROOT / "policies" / "policy.yaml").read_text()
    condition = f"conditions:\n  - id: bomb\n    message: words\n    hint: words\n    when: {json.dumps(when)}\n"
    (folder / "policy.yaml").write_text(shipped + condition)
    assert "at most 2 of map, filter, all and exists" in alone(folder, ".", "--policy", "policy.yaml")


def test_loops_beside_one_another_are_as_many_as_one_likes():
    from pipeline.lint import conditions

    one = 'instruction.words.exists(w, w.startsWith("a("))'
    assert conditions.compiled(" || ".join([one] * 8), "instruction")
