"""What is said of compose services: at their own lines, once, and with waivers where they stand."""

from pathlib import Path

import pytest

from pipeline import lint
from pipeline.errors import BadFile
from pipeline.lint import formats as lint_formats
from pipeline.lint import ruleset
from pipeline.lint.inputs import Subject, subjects
from pipeline.model import Finding, Lint
from policies import RULES

GPU = "FROM nvidia/cuda:12.9.1-runtime-ubuntu24.04@sha256:" + "0" * 64 + "\nUSER 1000:1000\n"
OF_SERVICES = {rule.id for rule in RULES if rule.of_service}
ABOUT_WAIVERS = {"unused-waiver", "lapsed-waiver", "unknown-rule-waived", "waiver-lapses-soon"}


def judged(folder: Path, files: dict[str, str], waivers: str = "") -> Lint:
    """The lint of a folder with these files, under the shipped policy and waivers beside it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    policy = ruleset.SHIPPED
    if waivers:
        policy = folder / "policy" / "policy.yaml"
        policy.parent.mkdir()
        policy.write_text(ruleset.SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
        (policy.parent / "waivers.yaml").write_text(waivers, encoding="utf-8")
    return lint.lint([folder], ruleset.read(policy, frozenset(rule.id for rule in RULES)))


def told(found: Lint) -> list[tuple[str, str, int]]:
    """What concerns services and waivers: rule, name of the file, line."""
    wanted = OF_SERVICES | ABOUT_WAIVERS
    return [
        (one.rule, Path(one.file).name, one.line) for one in found.findings if one.rule in wanted and not one.waived
    ]


def only(found: Lint, rule: str) -> Finding:
    (one,) = (one for one in found.findings if one.rule == rule)
    return one


SERVICE = """\
services:
  api:
    build: .
    environment:
      - LOG=info
      - HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567
"""


def test_a_finding_on_a_service_stands_in_the_compose_file_with_its_line_and_column(tmp_path: Path) -> None:
    found = judged(tmp_path, {"compose.yaml": SERVICE, "Dockerfile": GPU})
    assert told(found) == [("gpu-not-reserved", "compose.yaml", 2), ("secret-in-compose", "compose.yaml", 6)]
    secret = only(found, "secret-in-compose")
    assert SERVICE.splitlines()[5][secret.column - 1 : secret.end_column - 1].startswith("HF_TOKEN=hf_")
    text = lint_formats.render(found, "text", lint.sources_of(found))
    shown = text.splitlines()
    at = next(number for number, line in enumerate(shown) if "- HF_TOKEN=" in line)
    assert shown[at].index("HF_TOKEN") == shown[at + 1].index("~") and "hf_Ab" not in secret.message


def test_every_format_takes_findings_in_a_second_file(tmp_path: Path) -> None:
    found = judged(tmp_path, {"compose.yaml": SERVICE, "Dockerfile": GPU})
    for format in ("text", "json", "sarif", "junit", "github", "gitlab", "markdown"):
        assert "compose.yaml" in lint_formats.render(found, format, lint.sources_of(found))


def test_a_dockerfile_that_is_there_anyway_still_has_its_service_judged_and_itself_only_once(tmp_path: Path) -> None:
    files = {"compose.yaml": "services:\n  api:\n    build: .\n", "Dockerfile": "FROM nvidia/cuda:latest\n"}
    found = judged(tmp_path, files)
    assert told(found) == [("gpu-not-reserved", "compose.yaml", 2)]
    assert len([one for one in found.findings if one.rule == "unpinned-base"]) == 1
    assert not any("service api" in one.message for one in found.findings)


def test_a_finding_is_said_once_however_many_variants_and_services_share_the_dockerfile(tmp_path: Path) -> None:
    common = "x-api: &api\n  build: .\n  privileged: true\nservices:\n  a:\n    <<: *api\n  b:\n    <<: *api\n"
    recipe = """\
name: api
repository: team/api
variants:
  - {name: a, tags: [a], build_args: {CUDA: 12.9.1}}
  - {name: b, tags: [b], build_args: {CUDA: 12.8.1}}
"""
    text = "ARG CUDA=12.9.1\nFROM nvidia/cuda:${CUDA}-runtime-ubuntu24.04\n"
    found = judged(tmp_path, {"compose.yaml": common, "Dockerfile": text, "image.yaml": recipe})
    messages = [one.message for one in found.findings if one.rule == "privileged-service"]
    assert found.errors == () and len(messages) == len(set(messages)) == 2  # one for each service, no more


def test_two_services_on_one_dockerfile_are_both_judged(tmp_path: Path) -> None:
    text = "services:\n  a:\n    build: .\n    gpus: all\n  b:\n    build: .\n"
    assert told(judged(tmp_path, {"compose.yaml": text, "Dockerfile": GPU})) == [
        ("gpu-not-reserved", "compose.yaml", 5)
    ]


def test_a_service_that_only_runs_an_image_is_judged_too(tmp_path: Path) -> None:
    text = "services:\n  api:\n    image: vllm/vllm-openai:${TAG:-v0.9.2}\n  other:\n    image: ${IMAGE}\n"
    assert told(judged(tmp_path, {"compose.yaml": text})) == [("gpu-not-reserved", "compose.yaml", 2)]


def test_a_dockerfile_alone_hears_nothing_of_services(tmp_path: Path) -> None:
    text = "# policy: allow-file gpu-not-reserved -- the fleet's default runtime is NVIDIA's\n\n" + GPU
    assert told(judged(tmp_path, {"Dockerfile": text})) == []


@pytest.mark.parametrize("suffix", ["yml", "yaml"])
def test_another_compose_file_for_gpus_beside_it_keeps_quiet(tmp_path: Path, suffix: str) -> None:
    text = "services:\n  api:\n    build: .\n  worker:\n    build: .\n"
    over = "services:\n  api:\n    gpus: all\n"
    found = judged(tmp_path, {"compose.yaml": text, f"compose.gpu.{suffix}": over, "Dockerfile": GPU})
    assert told(found) == [("gpu-not-reserved", "compose.yaml", 4)]


def test_what_a_service_extends_and_cannot_be_seen_may_bring_its_gpu(tmp_path: Path) -> None:
    text = "services:\n  api:\n    build: .\n    extends: {file: ../elsewhere.yaml, service: gpu}\n"
    chain = text.replace("../elsewhere.yaml", "base.yaml").replace("gpu}", "api}")
    base = "services:\n  api:\n    extends: {file: ../elsewhere.yaml, service: gpu}\n"
    assert told(judged(tmp_path, {"compose.yaml": text, "Dockerfile": GPU})) == []
    assert told(judged(tmp_path, {"compose.yaml": chain, "base.yaml": base})) == []


def test_values_from_the_env_file_are_not_written_in_the_compose_file(tmp_path: Path) -> None:
    text = "services:\n  api:\n    image: api\n    environment: {API_KEY: '${API_KEY}', DB_TOKEN: '${T:-8f14e45f}'}\n"
    assert told(judged(tmp_path, {"compose.yaml": text, ".env": "API_KEY=8f14e45fceea167a5a36dedd\n"})) == []


# --- waivers ---


def waived(tmp_path: Path, compose: str, dockerfile: str = GPU, waivers: str = "") -> list[tuple[str, str, int]]:
    return told(judged(tmp_path, {"compose.yaml": compose, "Dockerfile": dockerfile}, waivers))


def test_a_comment_above_the_line_allows_it_and_above_the_service_all_of_it(tmp_path: Path) -> None:
    line = SERVICE.replace("      - HF_", "      # policy: allow secret-in-compose -- a sample\n      - HF_")
    assert waived(tmp_path, line) == [("gpu-not-reserved", "compose.yaml", 2)]
    whole = "".join(f"  # policy: allow {rule} -- a sample\n" for rule in ("secret-in-compose", "gpu-not-reserved"))
    assert waived(tmp_path, SERVICE.replace("  api:", f"{whole}  api:")) == []


def test_a_comment_or_the_dockerfile_can_allow_it_for_the_whole_file(tmp_path: Path) -> None:
    both = "".join(f"# policy: allow-file {rule} -- a sample\n" for rule in ("secret-in-compose", "gpu-not-reserved"))
    assert waived(tmp_path, both + SERVICE) == []
    assert waived(tmp_path, SERVICE, both + "\n" + GPU) == []


def test_a_comment_that_allows_nothing_is_told_where_it_stands(tmp_path: Path) -> None:
    text = SERVICE.replace("      - LOG", "      # policy: allow privileged-service -- gone\n      - LOG")
    assert ("unused-waiver", "compose.yaml", 6) in waived(tmp_path, text)
    shared = "x-a: &a\n  # policy: allow privileged-service -- of both\n  privileged: true\n"
    two = shared + "services:\n  a:\n    image: a\n    <<: *a\n  b:\n    image: b\n"
    assert waived(tmp_path / "two", two) == []


def test_a_comment_that_lapsed_or_names_no_rule_is_told_once(tmp_path: Path) -> None:
    text = SERVICE.replace("  api:", "  # policy: allow gpu-not-reserved until 2020-01-01 -- once\n  api:")
    text += "  b:\n    image: b\n    # policy: allow secret-in-composed -- what\n    privileged: true\n"
    found = [rule for rule, _, _ in waived(tmp_path, text)]
    assert found.count("lapsed-waiver") == 1 and found.count("unknown-rule-waived") == 1


def test_a_comment_that_cannot_be_read_is_an_error_with_its_line(tmp_path: Path) -> None:
    text = "services:\n  # policy: allow gpu-not-reserved\n  a: {image: b}\n"
    (error,) = judged(tmp_path, {"compose.yaml": text, "Dockerfile": GPU}).errors
    assert error.line == 2 and error.message.endswith("a waiver that cannot be read")


def test_a_path_in_waivers_yaml_can_be_the_compose_file(tmp_path: Path) -> None:
    entry = "  - {{rule: {}, path: {}, until: 2099-01-01, reason: known, accepted_by: me}}\n"
    text = "waivers:\n" + entry.format("secret-in-compose", "compose.yaml")
    text += entry.format("privileged-service", "compose.yaml") + entry.format(
        "privileged-service", "far/compose.yaml"
    )
    two = SERVICE + "  b:\n    image: b\n"
    # One of them waives nothing, and says so once; the one for a file that was not judged waits.
    assert waived(tmp_path, two, GPU, text) == [
        ("gpu-not-reserved", "compose.yaml", 2), ("unused-waiver", "waivers.yaml", 1),
    ]  # fmt: skip


# --- bad input ---


def test_odd_services_end_in_no_crash(tmp_path: Path) -> None:
    odd = """\
services:
  a: {image: "x y", environment: [1, null, {a: b}], volumes: [null, 3, {type: bind}], devices: {a: b}, gpus: [1]}
  b: {image: "--x", healthcheck: {test: []}, deploy: {resources: {reservations: {devices: [null, {}]}}}}
  c: {image: [a], healthcheck: {test: [CMD]}, shm_size: {a: 1}, runtime: [x], privileged: "yes", profiles: {}}
  d: {image: "#x", healthcheck: {test: "'"}, tmpfs: null, extends: 3, ipc: null, build: 7}
  e: null
"""
    found = judged(tmp_path, {"compose.yaml": odd})
    assert [one.message for one in found.errors if "broke off" in one.message] == []
    assert ("reservation-without-capability", "compose.yaml", 3) in told(found)


def test_services_are_not_asked_of_when_only_dockerfiles_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  api:\n    image: vllm/vllm-openai\n", encoding="utf-8")
    assert list(subjects([tmp_path])) == []
    (one,) = subjects([tmp_path], services=True)
    assert isinstance(one, Subject) and one.only_service
    rules = ruleset.read(ruleset.SHIPPED, frozenset(rule.id for rule in RULES))
    with pytest.raises(BadFile, match="no Dockerfile"):
        list(lint.each([tmp_path], rules, build_args={}, target=None))
