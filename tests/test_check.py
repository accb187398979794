"""What check, the facts, the shell reader and the formats promise beside the rules' own pages."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from pipeline import facts
from pipeline.analysis import shell
from pipeline.analysis.wheels import shipped_wheels
from pipeline.check import check, lint
from pipeline.errors import BadFile
from pipeline.lint.formats import as_json, as_text, explain, rules_table
from pipeline.model import Context, Dockerfile, Lint, Problem, Rule, Severity, Unread, Waiver
from pipeline.parse import parse, read
from pipeline.recipe import Recipe
from pipeline.recipe import read as read_recipe
from pipeline.waived import unused_waivers
from policies import RULES
from tests.conftest import together

TODAY = date(2026, 11, 23)
ROOT = Path(__file__).parents[1]
NO_PROGRAMS = [rule for rule in RULES if rule.id != "shellcheck-remark"]  # it starts one, two hundred times over
BY_ID = {rule.id: rule for rule in RULES}
PINNED = "FROM debian@sha256:" + "0" * 64 + "\n"


def rule_that(look: object, rule_id: str = "made-up") -> Rule:
    return Rule(id=rule_id, severity=Severity.WARNING, hint="do otherwise", look=look)  # type: ignore[arg-type]


def on_line(number: int) -> Rule:
    def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
        yield Problem(number, "here")

    return rule_that(look)


def waiver(rule: str = "made-up", until: str | None = None, **more: str) -> Waiver:
    return Waiver(rule=rule, reason="we know", until=until, file="waivers.yaml", **more)  # type: ignore[arg-type]


# --- check ----------------------------------------------------------------------------------------


def test_check_stamps_what_a_rule_cannot_get_wrong() -> None:
    (finding,) = check(parse("FROM a\nRUN b \\\n  c\n", path="x/Dockerfile"), [on_line(2)], today=TODAY)
    assert (finding.rule, finding.severity, finding.hint) == ("made-up", Severity.WARNING, "do otherwise")
    assert (finding.file, finding.line, finding.end_line) == ("x/Dockerfile", 2, 3)
    assert finding.docs == "policies/made_up.md"


def test_findings_come_by_line_whatever_the_order_of_the_rules() -> None:
    found = check(parse("FROM a\nENV LD_LIBRARY_PATH=/x\nCMD run\n"), reversed(RULES), today=TODAY)
    assert [finding.line for finding in found] == sorted(finding.line for finding in found)
    assert len({finding.line for finding in found}) > 1


def test_a_policy_weighs_a_rule_otherwise() -> None:
    severities = {"made-up": Severity.ERROR}
    (finding,) = check(parse("FROM a\n"), [on_line(1)], severities=severities, today=TODAY)
    assert finding.severity is Severity.ERROR


def test_each_rule_sees_its_own_parameters_only() -> None:
    seen = {}

    def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
        seen.update(context.parameters)
        yield from ()

    parameters = {"made-up": {"mine": 1}, "other": {"theirs": 2}}
    check(parse("FROM a\n"), [rule_that(look)], parameters=parameters, today=TODAY)
    assert seen == {"mine": 1}


def test_a_rule_that_raises_escapes_from_check_and_is_named() -> None:
    def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError) as caught:
        check(parse("FROM a\n"), [rule_that(look)], today=TODAY)
    assert caught.value.__notes__ == ["the rule made-up was looking at Dockerfile"]


def test_a_rule_that_raises_is_an_error_of_lint_and_hides_no_other_rule() -> None:
    def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
        yield Problem(1, "half way")
        raise ZeroDivisionError("oh")

    found = lint(parse("FROM a\n"), [rule_that(look, "broken"), on_line(1)], today=TODAY)
    assert [finding.rule for finding in found.findings] == ["made-up"]
    (error,) = found.errors
    assert "broken" in error.message and "ZeroDivisionError" in error.message


# --- waivers --------------------------------------------------------------------------------------


def waived(text: str, *handed: Waiver, rule: Rule | None = None, **more: object) -> dict[str, str | None]:
    found = check(parse(text), [rule or on_line(1)], waivers=handed, today=TODAY, **more)  # type: ignore[arg-type]
    return {finding.rule: finding.waived for finding in found}


def test_a_waiver_speaks_for_every_line_of_its_instruction_and_for_no_other() -> None:
    text = "FROM a\n# policy: allow made-up -- why\nRUN b \\\n  c\nRUN d\n"
    assert waived(text, rule=on_line(4)) == {"made-up": "why"}
    assert waived(text, rule=on_line(5)) == {"made-up": None, "unused-waiver": None}


def test_a_waiver_counts_on_its_last_day_and_not_after() -> None:
    assert waived("FROM a\n", waiver(until="2026-11-23")) == {"made-up": "we know", "waiver-lapses-soon": None}
    assert waived("FROM a\n", waiver(until="2026-11-22")) == {"made-up": None, "lapsed-waiver": None}
    assert waived("FROM a\n", waiver(until="2026-12-07")) == {"made-up": "we know", "waiver-lapses-soon": None}
    assert waived("FROM a\n", waiver(until="2026-12-08")) == {"made-up": "we know"}


def test_a_second_waiver_that_still_holds_makes_up_for_a_lapsed_one() -> None:
    found = waived("FROM a\n", waiver(until="2026-01-01"), waiver(until="2027-06-01"))
    assert found == {"made-up": "we know", "lapsed-waiver": None}


def test_a_waiver_for_another_image_or_path_is_left_alone() -> None:
    context = Context(recipe=Recipe.model_validate({"name": "this", "repository": "a/this"}))
    assert waived("FROM a\n", waiver(image="that"), context=context) == {"made-up": None}
    assert waived("FROM a\n", waiver(image="this"), context=context) == {"made-up": "we know"}
    assert waived("FROM a\n", waiver(path="other/*")) == {"made-up": None}
    assert waived("FROM a\n", waiver(path="Docker*")) == {"made-up": "we know"}


def test_a_path_in_a_waiver_matches_however_the_file_was_named() -> None:
    for path in ("dockerfiles/x/Dockerfile", "/home/me/repo/dockerfiles/x/Dockerfile"):
        (finding,) = check(
            parse("FROM a\n", path=path), [on_line(1)], waivers=[waiver(path="dockerfiles/*/Dockerfile")], today=TODAY
        )
        assert finding.waived


def test_a_waiver_of_an_unknown_rule_names_the_nearest_one() -> None:
    found = check(parse("FROM a\n"), [on_line(1)], waivers=[waiver(rule="mad-up")], today=TODAY)
    assert [(one.rule, one.hint) for one in found if one.rule != "made-up"] == [
        ("unknown-rule-waived", "did you mean `made-up`?")
    ]


def test_a_waiver_of_a_rule_that_did_not_run_is_neither_unknown_nor_unused() -> None:
    text = "# policy: allow runs-as-root -- a tool\nFROM a\n"
    assert waived(text, known=["runs-as-root"]) | {"made-up": None} == {"made-up": None}


def test_a_waiver_in_a_stage_that_is_not_needed_now_is_not_unused() -> None:
    text = "ARG B=scratch\n# policy: allow unpinned-base -- a stand-in\nFROM debian AS other\nFROM ${B}\n"
    rules = [BY_ID["unpinned-base"]]
    assert check(parse(text), rules, today=TODAY) == ()
    (finding,) = check(parse(text, build_args={"B": "other"}), rules, today=TODAY)
    assert finding.waived == "a stand-in"


def test_a_waiver_with_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(BadFile, match="soon"):
        check(parse("FROM a\n"), [on_line(1)], waivers=[waiver(until="soon")], today=TODAY)


def test_a_shared_waiver_is_unused_only_when_no_file_needed_it() -> None:
    shared = waiver(path="*/Dockerfile")
    files = [parse("FROM a\n", path=f"{name}/Dockerfile") for name in "xy"]
    one_needs_it = [*check(files[0], [on_line(1)], waivers=[shared], today=TODAY), *check(files[1], [], today=TODAY)]
    assert unused_waivers([shared], one_needs_it, ran={"made-up"}) == ()
    (finding,) = unused_waivers([shared], (), ran={"made-up"})
    assert (finding.rule, finding.file) == ("unused-waiver", "waivers.yaml")
    assert unused_waivers([shared], (), ran={"another"}) == ()


# --- facts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04",
        "docker.io/nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04",
        "nvcr.io/nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04@sha256:" + "0" * 64,
        "localhost:5000/mirror/of/nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04",
    ],
)
def test_a_cuda_tag_is_read_through_every_registry(image: str) -> None:
    tag = facts.cuda_tag(image)
    assert tag is not None
    assert (str(tag.version), tag.library, tag.flavour, tag.os) == ("12.4.1", "cudnn", "runtime", "ubuntu22.04")
    assert facts.exists(tag) and not facts.is_end_of_life(tag)


def test_images_that_are_not_nvidias_have_no_cuda_tag() -> None:
    for image in ("nvidia/cuda-tools:1", "mynvidia/cuda:1", "python:3.12", "localhost:5000/cuda", "scratch"):
        assert facts.cuda_tag(image) is None, image


@pytest.mark.parametrize(
    ("tag", "exists", "nearest"),
    [
        ("12.4-runtime-ubuntu22.04", False, "12.4.1-runtime-ubuntu22.04"),
        ("12.1.1-runtime-ubuntu24.04", False, "12.1.1-runtime-ubuntu22.04"),
        ("12.8.1-cudnn8-devel-ubuntu22.04", False, "12.8.1-cudnn-devel-ubuntu22.04"),
        ("12.4.1-runtime-cudnn-ubuntu22.04", False, "12.4.1-cudnn-runtime-ubuntu22.04"),
        ("12.6.3-cudnn-base-ubuntu24.04", False, "12.6.3-cudnn-runtime-ubuntu24.04"),
        ("12.9.9-base-ubuntu22.04", False, "12.9.1-base-ubuntu22.04"),
        ("12.9.2-base-ubuntu22.04", None, "12.9.1-base-ubuntu22.04"),  # may have come out since
        ("12.8.2-runtime-amzn2023", None, "12.8.1-runtime-amzn2023"),  # did come out since
        ("12.4.2-runtime-ubuntu22.04", False, "12.4.1-runtime-ubuntu22.04"),
        ("99.0.0-base-ubuntu24.04", False, "13.1.0-base-ubuntu24.04"),
        ("13.1.1-cudnn-runtime-ubuntu24.04", None, "13.0.2-cudnn-runtime-ubuntu24.04"),
    ],
)
def test_the_nearest_tag_keeps_what_was_asked_for(tag: str, exists: bool | None, nearest: str) -> None:
    found = facts.cuda_tag(f"nvidia/cuda:{tag}")
    assert found is not None
    assert facts.exists(found) is exists
    assert facts.nearest_tag(found) == nearest


def test_every_tag_that_can_be_proposed_exists_and_is_maintained() -> None:
    for _, _, _, name in facts.all_supported():
        tag = facts.cuda_tag(f"nvidia/cuda:{name}")
        assert tag is not None and tag.well_formed
        assert facts.exists(tag) and not facts.is_end_of_life(tag) and facts.nearest_tag(tag) == name


def test_versions_are_compared_as_versions() -> None:
    assert facts.minimum_driver(Version("12.8")) == Version("570.26") > Version("570.9")
    assert facts.minimum_driver(Version("12.4.1")) == Version("550.54.15")
    assert facts.minimum_driver(Version("99.0")) is None
    assert facts.torch_default_cuda(Version("2.10.0")) == Version("12.8")
    assert facts.driver("R535") == Version("535") and facts.driver("newest") is None


# --- shell ----------------------------------------------------------------------------------------


def words(text: str) -> list[tuple[int, tuple[str, ...]]]:
    dockerfile = parse("FROM a\n" + text)
    return [(one.line, one.words) for one in shell.commands(dockerfile, dockerfile.instructions[1])]


def test_commands_know_their_physical_line() -> None:
    text = "RUN --mount=type=cache,target=/x \\\n  a 1 && \\\n# a comment\n\\\n  b '2 3' ; c \\\n  d | e\n"
    assert words(text) == [(3, ("a", "1")), (6, ("b", "2 3")), (6, ("c", "d")), (7, ("e",))]


def test_heredocs_for_a_shell_are_read_and_others_are_not() -> None:
    assert words("RUN <<EOF\na\nb && c\nEOF\n") == [(3, ("a",)), (4, ("b",)), (4, ("c",))]
    assert words("RUN bash -e <<'EOF'\na\nEOF\n") == [(3, ("a",))]
    assert words("RUN python3 <<EOF\nimport pip\nEOF\n") == [(2, ("python3",))]
    assert words("RUN <<EOF\n#!/usr/bin/env python3\nimport pip\nEOF\n") == []


def test_scripts_handed_to_a_shell_are_read() -> None:
    assert words('RUN ["bash", "-lc", "a; b"]\n') == [(2, ("a",)), (2, ("b",))]
    assert words("RUN sh -c 'a \"b c\"' && d\n") == [(2, ("a", "b c")), (2, ("d",))]


def test_redirections_assignments_and_control_words_are_no_words() -> None:
    assert words("RUN A=1 B='x y' a 2>&1 >/dev/null b\n") == [(2, ("a", "b"))]
    assert words("RUN if a; then b; else c; fi > log\n") == [(2, ("a",)), (2, ("b",)), (2, ("c",))]
    found = words("RUN a $(b; c) \"$(d 'e')\" ${f:-g h}\n")
    assert found[-1] == (2, ("a", "$(b; c)", "$(d 'e')", "${f:-g h}"))
    assert found[:-1] == [(2, ("b",)), (2, ("c",)), (2, ("d", "e"))]  # what it substitutes runs first
    (command,) = shell.split("sudo -E env X=1 /usr/bin/apt-get install y", 1)
    assert (command.program, command.arguments) == ("apt-get", ("install", "y"))


@given(st.text(alphabet="ab \\\n\"'$(){}`<>&|;#=-", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_script_can_be_split(script: str) -> None:
    last = script.count("\n") + 7
    assert all(7 <= command.line <= last for command in shell.split(script, 7))


PIECES = (
    "FROM nvidia/cuda:12", "FROM x AS y", "USER ", "CMD ", "COPY --from=0 / /", "ARG A=", "ENV A=$A", "ENV A b",
    "RUN pip install -r", "RUN pip install ''", "RUN uv pip", "RUN apt-get", "RUN ''", "RUN <<EOF", "EOF",
    "WORKDIR $A", "ENTRYPOINT []", 'CMD ["sh","-c"]',
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.text(max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_rule_breaks_off_whatever_the_dockerfile(lines: list[str], tail: str) -> None:
    text = "\n".join(line + tail for line in lines)
    try:
        dockerfile = parse(text)
    except BadFile:
        return
    for finding in check(dockerfile, NO_PROGRAMS, today=TODAY):
        assert 1 <= finding.line <= text.count("\n") + 1


# --- wheels ---------------------------------------------------------------------------------------


def test_requirement_files_of_the_build_context_are_read_and_nothing_outside(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "secret.txt").write_text("torch==2.11.0\n")
    (tmp_path / "context" / "requirements.txt").write_text(
        "numpy\ntorch==2.8.0 \\\n    --hash=sha256:00\n# jax[cuda12]\n"
    )
    (tmp_path / "context" / "link.txt").symlink_to(tmp_path / "secret.txt")
    for name, versions in {
        "requirements.txt": ["2.8.0"],
        "../secret.txt": [],
        "link.txt": [],
        "gone.txt": [],
    }.items():
        text = f"FROM python\nCOPY {name} /tmp/r.txt\nRUN pip install -r /tmp/r.txt\n"
        found = shipped_wheels(parse(text), Context(folder=tmp_path / "context"))
        assert [str(wheel.version) for wheel in found] == versions, name


def test_an_environment_counts_only_where_it_is_copied_from() -> None:
    build = "FROM python AS build\nRUN python -m venv /venv && /venv/bin/pip install torch==2.8.0\n"
    build += "RUN pip install jax[cuda12]\n"
    names = {}
    for path in ("/venv", "/venv/lib", "/app", "/usr/local", "/"):
        found = shipped_wheels(parse(f"{build}FROM python\nCOPY --from=build {path} /x\n"), Context())
        names[path] = [wheel.name for wheel in found]
    both = ["torch", "jax"]
    assert names == {"/venv": ["torch"], "/venv/lib": ["torch"], "/app": [], "/usr/local": ["jax"], "/": both}


@pytest.mark.parametrize(
    ("command", "cuda", "brings"),
    [
        ("pip install torch==2.8.0", "12.8", True),
        ("pip install torch==2.8.0+cu126", "12.6", True),
        ("pip3.11 --no-cache-dir install 'torch==2.8.0+cpu'", "None", False),
        ("pip install torch --extra-index-url=https://wheels.example.com/whl/cu118", "11.8", True),
        ("pip install torch==2.8.0 -i https://wheels.example.com/whl/rocm6.4", "None", False),
        ("uv pip install --system --torch-backend=cu126 torch==2.8.0", "12.6", True),
        ("UV_TORCH_BACKEND=cpu uv pip install torch", "None", False),
        ("export PIP_INDEX_URL=https://wheels.example.com/whl/cpu && pip install torch", "None", False),
        ("pip install --no-deps torch==2.8.0", "12.8", False),
        ("python3 -m pip install nvidia-cublas-cu12", "12", True),
        ("pip install https://wheels.example.com/torch-2.4.0%2Bcu121-cp310-cp310-linux_x86_64.whl", "12.1", True),
        ("pip install 'onnxruntime-gpu[cuda,cudnn]==1.22.0'", "12", True),
    ],
)
def test_the_cuda_of_a_wheel_is_read_from_version_index_and_backend(command: str, cuda: str, brings: bool) -> None:
    (wheel,) = shipped_wheels(parse(f"FROM python\nRUN {command}\n"), Context())
    assert (str(wheel.cuda), wheel.brings_cuda) == (cuda, brings)


# --- formats --------------------------------------------------------------------------------------


def some_findings() -> tuple[Lint, str]:
    text = "ARG B=nvidia/cuda:12.4\nFROM\t${B}\nUSER 1\n"
    return lint(parse(text, path="a/Dockerfile"), [BY_ID["missing-cuda-tag"]], today=TODAY), text


def test_text_shows_the_line_the_caret_and_what_to_try() -> None:
    found, text = some_findings()
    assert as_text(found, {"a/Dockerfile": text}) == (
        "a/Dockerfile:2:6: error missing-cuda-tag\n"
        "  nvidia/cuda:12.4 (written ${B}) does not exist; the nearest tag that does is 12.4.1-base-ubuntu22.04\n"
        "  2 | FROM    ${B}\n"
        "    |         ~~~~\n"
        "  try: FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n"
        "  fix: take 12.4.1-base-ubuntu22.04 (with --unsafe)\n"
        "\n"
        "1 file: 1 error\n"
        "`fix` mends 1 with --unsafe\n"
    )


def test_text_never_commands_the_terminal() -> None:
    found = lint(parse("FROM nvidia/cuda:\x1b[31mred\n"), [BY_ID["missing-cuda-tag"]], today=TODAY)
    text = as_text(found, {"Dockerfile": "FROM nvidia/cuda:\x1b[31mred\n"})
    assert "\x1b" not in text and "red" in text


def test_json_has_the_keys_that_other_programs_rely_on() -> None:
    found, _ = some_findings()
    unread = Lint(files=(), findings=(), errors=(Unread(file="b", line=3, message="no", hint="yes"),))
    plain = json.loads(as_json(together([found, unread])))
    assert list(plain) == ["schema", "findings", "summary", "errors"]
    assert plain["schema"] == "seatrial/lint/v1"
    assert set(plain["findings"][0]) == {"rule", "severity", "message", "hint", "file", "line", "end_line", "column",
                                         "stage", "docs", "fixable", "waived", "end_column", "fix"}  # fmt: skip
    assert plain["summary"] == {"files": 1, "error": 1, "warning": 0, "info": 0, "waived": 0}
    assert plain["errors"] == [{"file": "b", "line": 3, "message": "no", "hint": "yes"}]


def test_a_waived_finding_is_counted_as_waived_only() -> None:
    found = Lint(
        files=("Dockerfile",), findings=check(parse("FROM a\n"), [on_line(1)], waivers=[waiver()], today=TODAY)
    )
    assert "1 waived" in as_text(found) and "made-up" not in as_text(found)
    assert "waived: we know" in as_text(found, show_waived=True)
    assert json.loads(as_json(found))["summary"] == {"files": 1, "error": 0, "warning": 0, "info": 0, "waived": 1}


def test_explain_gives_the_page_and_did_you_mean() -> None:
    assert explain("unpinned-base").startswith("# unpinned-base\n")
    assert explain("lapsed-waiver").startswith("# lapsed-waiver\n")
    with pytest.raises(BadFile, match="unpined") as caught:
        explain("unpined-base")
    assert caught.value.hint == "did you mean `unpinned-base`?"


def test_the_table_of_rules_says_which_are_off() -> None:
    rows = {row["rule"]: row for row in rules_table(RULES, {"runs-as-root": Severity.INFO})}
    assert rows["unpinned-base"]["severity"] == "off"
    assert rows["runs-as-root"] == {
        "rule": "runs-as-root",
        "severity": "info",
        "fix": "",
        "summary": "a shipped image whose processes run as root.",
        "docs": "policies/runs_as_root.md",
    }
    assert {row["severity"] for row in rules_table(RULES)} == {"error", "warning", "info", "off"}


# --- the tree's own -------------------------------------------------------------------------------

OWN = sorted((ROOT / "dockerfiles").glob("*/Dockerfile"))


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.parent.name)
def test_the_trees_own_dockerfiles_pass_clean(file: Path) -> None:
    recipe = read_recipe(file.parent)
    context = Context(folder=file.parent, recipe=recipe)
    parameters = {"unpinned-base": {"tree": [other.parent.name for other in OWN]}}
    base_images = {"debian-base", "cuda-runtime"}
    rules = [
        rule
        for rule in RULES
        if rule.by_default and not (rule.id == "runs-as-root" and file.parent.name in base_images)
    ]
    known = [rule.id for rule in RULES]
    dockerfile = read(file, build_args=recipe.build_args, target=recipe.target)
    found = check(dockerfile, rules, context=context, parameters=parameters, known=known, today=TODAY)
    assert [(one.rule, one.line, one.message) for one in found if not one.waived] == []
