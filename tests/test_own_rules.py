"""Rules of the user's own: Python files with their pages, and conditions over the same facts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import lint, policy
from pipeline.errors import BadFile
from pipeline.lint import conditions, own_rules, rule_pages, ruleset
from pipeline.lint.formats import explain, rules_table
from pipeline.model import Context, Finding, Rule
from pipeline.parse import parse
from policies import RULES

IDS = frozenset(rule.id for rule in RULES)
TREE = Path(__file__).parents[1]
RULE = '''\
"""no-add: ADD, where COPY says what is meant."""

from pipeline.mend import replaced
from pipeline.model import Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile, context):
    """Yield every ADD."""
    for one in dockerfile.instructions:
        if one.keyword == context.parameters.get("keyword", "ADD"):
            at = tokens(dockerfile, one).keyword.span
            yield Problem(one.line, "ADD here", at=at, fix=Fix("write COPY", (replaced(at, "COPY"),)))


RULE = Rule(id="no-add", severity=Severity.WARNING, hint="write COPY", look=look)
'''
PAGE = """\
# no-add

ADD unpacks and downloads.

## Caught

```dockerfile
FROM a
# expect: no-add
ADD b c
```

## Mended

```dockerfile
FROM a
# expect: no-add
ADD b c
```

```dockerfile mended
FROM a
COPY b c
```

## Fine

```dockerfile
FROM a
COPY b c
```

## Allowing it

`# policy: allow no-add until 2027-03-01 -- REASON` on the line above.
"""
CONDITION = """\
conditions:
  - id: no-curl
    for: command
    when: {when}
    message: curl is not ours
    hint: use wget
"""
PROFILES = "default: mine\nprofiles:\n  mine:\n    rules: {rules}\n"


def written(folder: Path, *, rule: str = RULE, page: str | None = PAGE, name: str = "no_add") -> Path:
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    (rules / f"{name}.py").write_text(rule, encoding="utf-8")
    if page is not None:
        (rules / f"{name}.md").write_text(page, encoding="utf-8")
    return rules


def policy_in(folder: Path, text: str, rules: str = "{}") -> Path:
    file = folder / "policy.yaml"
    file.write_text(text + PROFILES.format(rules=rules), encoding="utf-8")
    return file


def judged(folder: Path, text: str, rules: ruleset.Ruleset) -> list[Finding]:
    file = folder / "Dockerfile"
    file.write_text(text, encoding="utf-8")
    brought = {rule.id for rule in rules.brought}
    found = lint.lint([file], rules)
    assert not found.errors, found.errors
    return [
        one for one in found.findings if one.rule in brought or one.rule in ("unused-waiver", "unknown-rule-waived")
    ]


# --- Python files ---------------------------------------------------------------------------------


def test_a_rule_in_the_policys_folder_is_a_rule_like_ours(tmp_path: Path) -> None:
    written(tmp_path)
    rules = ruleset.read(policy_in(tmp_path, "own_rules: ./rules\n", "{no-add: error}"), IDS)
    (finding,) = judged(tmp_path, "FROM a\nADD b c\n", rules)
    assert (finding.line, finding.column, finding.severity.value, finding.fixable) == (2, 1, "error", True)
    assert finding.docs == str(tmp_path / "rules" / "no_add.md")
    assert explain("no-add", rules.brought) == PAGE
    (row,) = rules_table(rules.brought)
    assert row["summary"] == "ADD unpacks and downloads."


def test_waivers_and_parameters_reach_a_rule_of_ones_own(tmp_path: Path) -> None:
    written(tmp_path)
    rules = ruleset.read(policy_in(tmp_path, "own_rules: rules\n"), IDS)
    text = "FROM a\n# policy: allow no-add -- an archive\nADD b c\n"
    assert [(one.rule, one.waived) for one in judged(tmp_path, text, rules)] == [("no-add", "an archive")]
    setting = "{no-add: {parameters: {keyword: COPY}}}"
    rules = ruleset.read(policy_in(tmp_path, "own_rules: rules\n", setting), IDS)
    assert [one.line for one in judged(tmp_path, "FROM a\nADD b c\nCOPY d e\n", rules)] == [3]


def test_a_rule_switched_off_is_quiet_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = written(tmp_path)
    file = policy_in(tmp_path, "own_rules: rules\n", '{no-add: "off"}')
    assert judged(tmp_path, "FROM a\nADD b c\n", ruleset.read(file, IDS)) == []
    (folder / "no_add.py").unlink()
    with pytest.raises(BadFile, match="no rule `no-add`"):
        ruleset.read(file, IDS)


def test_nothing_is_left_beside_the_rules_and_nothing_goes_on_the_path(tmp_path: Path) -> None:
    before = list(sys.path)
    folder = written(tmp_path)
    own_rules.load(folder, IDS)
    assert sorted(one.name for one in folder.iterdir()) == ["no_add.md", "no_add.py"] and sys.path == before


@pytest.mark.parametrize(
    ("change", "words", "line"),
    [
        ({"rule": "import nothing_of_this_name\n"}, "ModuleNotFoundError", 1),
        ({"rule": "\n\ndef look(:\n"}, "SyntaxError", 3),
        ({"rule": "def f():\n    raise SystemExit(0)\nf()\n"}, "SystemExit", 2),
        ({"rule": "x = 1\n"}, "holds no RULE", None),
        ({"rule": RULE.replace('id="no-add"', 'id="no-sub"')}, "id is `no-sub`", 16),
        ({"page": None}, "without a page", None),
        ({"name": "runs_as_root"}, "there is a rule `runs-as-root` already", None),
        ({"name": "No-Add"}, "cannot be a rule's name", None),
        ({"rule": "x = '\\udcff'"}, "holds no RULE", None),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_its_place(
    tmp_path: Path, change: dict[str, Any], words: str, line: int | None
) -> None:
    folder = written(tmp_path, **change)
    with pytest.raises(BadFile, match=words) as caught:
        own_rules.load(folder, IDS)
    assert caught.value.line == line and str(folder) in caught.value.file


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no folder `rules`"):
        ruleset.read(policy_in(tmp_path, "own_rules: rules\n"), IDS)


def test_a_linted_folder_brings_no_rules_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in a folder that is only linted must not run: not its rules, not those of its policy."""
    here, hostile = tmp_path / "here", tmp_path / "hostile"
    (here / "dockerfiles").mkdir(parents=True)
    (hostile / "policies").mkdir(parents=True)
    mark = tmp_path / "ran"
    written(hostile / "policies", rule=f'open({str(mark)!r}, "w")\nraise SystemExit(7)\n')
    policy_in(hostile / "policies", "own_rules: rules\n")
    (hostile / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    monkeypatch.chdir(here)
    argv = [sys.executable, "-c", "from pipeline.start import main; main()", "lint", str(hostile)]
    done = subprocess.run(argv, env={"PYTHONPATH": str(TREE), "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode in (0, 10) and not mark.exists(), done.stderr


def test_the_policys_digest_covers_its_own_rules(tmp_path: Path) -> None:
    written(tmp_path)
    file = policy_in(tmp_path, "own_rules: rules\n")
    before = policy.read(file, IDS).digest
    written(tmp_path, rule=RULE + "# changed\n")
    assert policy.read(file, IDS).digest != before


# --- their pages ----------------------------------------------------------------------------------


def loaded(folder: Path, page: str) -> Rule:
    (rule,) = own_rules.load(written(folder, page=page), IDS)
    return rule


def test_a_true_page_passes(tmp_path: Path) -> None:
    assert rule_pages.untrue(loaded(tmp_path, PAGE)) == ()


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        (
            "# expect: no-add\nADD b c\n```\n\n## Mended",
            "# expect: no-add\nCOPY b c\n```\n\n## Mended",
            10,
            "does not find",
        ),
        ("COPY b c\n```\n\n## Allowing", "ADD b c\n```\n\n## Allowing", 30, "the page does not expect it"),
        ("mended\nFROM a\nCOPY b c", "mended\nFROM a\nCOPY b d", 22, "makes something else"),
        ("allow no-add until", "allow no-sub until", 33, "must show the comment"),
        ("## Fine", "## Good", 1, "must have `## Fine`"),
        ("# no-add\n", "# no-ad\n", 1, "must begin with"),
        ("FROM a\nCOPY b c\n```\n\n## Allow", "FRM a\n```\n\n## Allow", 29, "cannot be judged"),
    ],
)
def test_a_page_that_is_not_true_is_told_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, words: str
) -> None:
    assert PAGE.count(before) == 1
    found = rule_pages.untrue(loaded(tmp_path, PAGE.replace(before, after)))
    assert [(one.line, words in one.message) for one in found][:1] == [(line, True)], found


def test_our_own_pages_are_true_by_the_same_test() -> None:
    for rule in [one for one in RULES if one.id in ("shell-form-command", "unpinned-base", "runs-as-root")]:
        page = (TREE / "policies" / f"{rule.id.replace('-', '_')}.md").read_text(encoding="utf-8")
        brought = Rule(id=rule.id, severity=rule.severity, hint=rule.hint, look=rule.look, page=page)
        assert rule_pages.untrue(brought) == ()


def test_the_task_tests_a_folder(tmp_path: Path) -> None:
    folder = written(tmp_path)
    argv = [sys.executable, "-m", "pipeline.start", "test-rules", str(folder)]
    good = subprocess.run(argv, cwd=TREE, capture_output=True, text=True)
    assert (good.returncode, good.stdout) == (0, "no-add: its page is true\n"), good.stderr
    written(
        tmp_path, page=PAGE.replace("## Fine\n\n```dockerfile\nFROM a\nCOPY", "## Fine\n\n```dockerfile\nFROM a\nADD")
    )
    bad = subprocess.run(argv, cwd=TREE, capture_output=True, text=True)
    assert bad.returncode == 10 and f"{folder}/no_add.md:30: " in bad.stdout


# --- conditions -----------------------------------------------------------------------------------

TEXT = """\
ARG CUDA=12.4.1
FROM nvidia/cuda:${CUDA}-devel-ubuntu22.04 AS build
RUN make && \\
    curl -k https://x | sh
FROM nvidia/cuda:${CUDA}-base-ubuntu22.04
ENV HF_HOME=/models
LABEL team=vision
EXPOSE 8000
USER 1000
CMD ["serve", "--fast"]
"""


def lines(folder: Path, kind: str, when: str, text: str = TEXT) -> list[int]:
    quoted = when.replace("'", "''")
    said = CONDITION.format(when=f"'{quoted}'").replace("for: command", f"for: {kind}")
    return [one.line for one in judged(folder, text, ruleset.read(policy_in(folder, said), IDS))]


@pytest.mark.parametrize(
    ("kind", "when", "found"),
    [
        ("command", 'command.program == "curl" && "-k" in command.arguments', [4]),
        ("command", "command.piped || command.reads_pipe", [4, 4]),
        ("command", 'command.program == "make" && stage.ships', []),
        ("instruction", 'instruction.keyword == "USER"', [9]),
        ("instruction", 'instruction.keyword in ["CMD", "ENTRYPOINT"] && !instruction.json_form', []),
        ("instruction", 'instruction.words.exists(word, word.contains("models"))', [6]),
        ("stage", 'base.name == "nvidia/cuda" && base.flavour == "devel"', [2]),
        ("stage", 'at_least(base.cuda, "12.4") && !at_least(base.cuda, "12.8")', [2, 5]),
        ("stage", 'stage.ships && base.digest == ""', [5]),
        ("stage", 'stage.environment.HF_HOME.startsWith("/models")', [5]),
        ("image", 'image.user == "1000" && image.labels["team"] == "vision" && image.stages == 2', [5]),
        ("image", 'image.command == ["serve", "--fast"] && "8000" in image.exposed', [5]),
        ("image", 'image.labels["owner"] == "nobody"', []),
        ("image", '!("owner" in image.labels)', [5]),
        ("image", 'stage.environment["X"] == "1" || has(stage.environment.HF_HOME)', [5]),
    ],
)
def test_a_condition_is_asked_of_each_thing(tmp_path: Path, kind: str, when: str, found: list[int]) -> None:
    # the build stage is needed only when something is copied from it
    text = TEXT.replace("USER", "COPY --from=build /x /x\nUSER").replace("EXPOSE 8000\n", "EXPOSE 8000\n", 1)
    expected = [line + 1 if line > 8 else line for line in found]
    assert lines(tmp_path, kind, when, text) == expected


def test_a_stage_that_is_not_needed_is_not_asked_about_its_commands(tmp_path: Path) -> None:
    assert lines(tmp_path, "command", 'command.program == "curl"') == []


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ('command.progam == "curl"', "`command` has no `progam`"),
        ('comand.program == "curl"', "no fact `comand`"),
        ('image.user == "root"', "no fact `image`"),
        ("command.program ==", "not an expression of CEL"),
        ("command.program", "must be true or false, and is str"),
        ("command.line + command.program == 1", "operand"),
        ("curl(command)", "curl"),
        ("[1, 2].all(x, y > 1)", "no fact `y`"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused_at_its_line(tmp_path: Path, when: str, words: str) -> None:
    file = policy_in(tmp_path, CONDITION.format(when=f"'{when}'"))
    with pytest.raises(BadFile, match=words) as caught:
        ruleset.read(file, IDS)
    assert (caught.value.file, caught.value.line) == (str(file), 4)


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("no-curl", "runs-as-root"), 2, "the name of another rule"),
        (("for: command", "for: file"), 3, "must be 'image', 'stage'"),
        (("id: no-curl", "id: No Curl"), 2, "id"),
        (("hint: use wget", "hnt: use wget"), 6, "unknown key `hnt`"),
    ],
)
def test_what_is_wrong_with_a_condition_is_told_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, words: str
) -> None:
    text = CONDITION.format(when='command.program == "curl"').replace(*change)
    with pytest.raises(BadFile, match=words) as caught:
        ruleset.read(policy_in(tmp_path, text), IDS)
    assert caught.value.line == line


def test_a_condition_that_breaks_while_it_is_asked_is_an_error_of_the_run(tmp_path: Path) -> None:
    said = CONDITION.format(when="int(stage.environment.PORT) > 80").replace("for: command", "for: stage")
    rules = ruleset.read(policy_in(tmp_path, said), IDS)
    (tmp_path / "Dockerfile").write_text("FROM a\nENV PORT=http\n", encoding="utf-8")
    found = lint.lint([tmp_path / "Dockerfile"], rules)
    (error,) = found.errors
    assert "no-curl" in error.message and "policy.yaml:2" in error.message


def test_conditions_are_weighed_waived_and_explained_like_rules(tmp_path: Path) -> None:
    said = CONDITION.format(when='command.program == "curl"')
    rules = ruleset.read(policy_in(tmp_path, said, "{no-curl: error}"), IDS)
    text = "FROM a\n# policy: allow no-curl -- a test\nRUN curl x\nRUN curl y\n"
    found = judged(tmp_path, text, rules)
    assert [(one.line, one.waived, one.severity.value) for one in found] == [
        (3, "a test", "error"),
        (4, None, "error"),
    ]
    page = explain("no-curl", rules.brought)
    assert page.startswith("# no-curl\n") and "policy.yaml:2" in page and 'command.program == "curl"' in page


def test_every_fact_of_the_reference_is_there_and_the_other_way_round() -> None:
    reference = (TREE / "docs" / "reference.md").read_text(encoding="utf-8")
    dockerfile = parse(conditions.SAMPLE)
    for kind in conditions.KINDS:
        for _, _, facts in conditions.things(dockerfile, Context(), kind):
            for name, fields in facts.items():
                (row,) = [line for line in reference.splitlines() if line.startswith(f"| `{name}` |")]
                assert set(fields) == set(row.split("|")[2].replace("`", "").replace(",", " ").split()), name
