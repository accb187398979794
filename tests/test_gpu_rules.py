"""What the pages cannot show of the rules about environment, weights and health: large inputs, times, odd values."""

import re
import time

import pytest

from pipeline.analysis import environment, health, shell
from pipeline.model import Context
from pipeline.parse import parse
from policies import RULES

OURS = (
    "stubs-in-library-path", "cuda-compat-forced", "container-toolkit-in-image", "gpu-chosen-in-image",
    "gpu-switched-off", "driver-capabilities-wrong", "every-driver-capability", "driver-check-disabled",
    "missing-nvidia-variables",
    "cpu-image-ships-cuda", "health-check-proves-nothing", "health-check-too-early", "health-check-without-tool",
    "cuda-path-hard-coded", "cache-folder-not-writable", "current-folder-in-library-path", "gpu-needed-at-build",
    "weights-in-layer", "login-left-in-layer", "secret-in-image", "driver-in-image", "ld-library-path-overwritten",
)  # fmt: skip
BASE = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\n"
LONG = 300_000  # characters
HOSTILE = {
    "one LD_LIBRARY_PATH of stubs": BASE + "ENV LD_LIBRARY_PATH=" + "/stubs:" * (LONG // 7) + "\n",
    "colons only": BASE + "ENV PATH=" + ":" * LONG + "\n",
    "open braces": BASE + "ENV LD_LIBRARY_PATH='" + "${" * (LONG // 2) + "'\n",
    "many variables": BASE + "".join(f"ENV A{n}_TOKEN=$A{n - 1}\n" for n in range(3000)),
    "a URL without end": BASE + "ADD https://huggingface.co" + "/model" * (LONG // 6) + ".bin /x\n",
    "slashes and colons": BASE + "RUN curl " + "https://" * (LONG // 8) + "\n",
    "asserts without end": BASE + 'RUN python -c "' + "assert " * (LONG // 7) + '"\n',
    "versions of CUDA": BASE + "".join(f"RUN echo /usr/local/cuda-{n}.{n}\n" for n in range(100, 900)),
    "a digit without end": BASE + f"ENV NVIDIA_REQUIRE_CUDA=cuda>={'9' * LONG}\nRUN ls /usr/local/cuda-{'1' * LONG}",
    "names of cuda": BASE + "RUN ls /usr/local/cuda-12.1 " + "cuda" * (LONG // 4) + "\n",
    "copies": BASE + "ENV X=/usr/local/cuda-12.1\n" + " " * LONG + "\n" * 9000 + "COPY a b\n",
    "a check of echoes": BASE + "HEALTHCHECK CMD " + "true;" * (LONG // 5) + "\n",
    "a user of digits": BASE + "USER " + "7" * LONG + "\n",
    "chmod without end": BASE + "ENV HF_HOME=/root\nRUN " + "chmod " * (LONG // 6) + "\nUSER app\n",
    "underscores": BASE + "ARG " + "A_" * (LONG // 2) + "KEY=x\n",
    "script names": BASE + "RUN python " + "downloadmodel" * (LONG // 13) + ".py\n",
    "logins": BASE + "RUN " + "hf auth login --token x && " * 3000 + "true\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_costs_no_more_than_its_length(text: str) -> None:
    lines = (
        "\\\n".join(re.findall(".{1,60000}", line)) for line in text.split("\n")
    )  # BuildKit reads no longer ones
    dockerfile = parse("\n".join(lines))
    (
        shell.needed(dockerfile),
        shell.shipped(dockerfile),
        health.health_check(dockerfile),
    )  # reading commands is not ours
    for rule in RULES:
        if rule.id in OURS:
            start = time.process_time()
            for _ in rule.look(dockerfile, Context()):
                pass
            assert time.process_time() - start < 2.0, rule.id


def test_every_rule_named_here_is_registered() -> None:
    assert set(OURS) <= {rule.id for rule in RULES}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ()),
        ("/a", ("/a",)),
        ("/a:", ("/a", "")),
        (":/a::/b", ("", "/a", "", "/b")),
        ("/a${X:+:$X}:/b", ("/a${X:+:$X}", "/b")),
        ("${A:-${B:-/c:/d}}:/e", ("${A:-${B:-/c:/d}}", "/e")),
        ("${A:/b", ("${A:/b",)),
    ],
)
def test_a_list_of_folders_is_split_at_its_own_colons(value: str, expected: tuple[str, ...]) -> None:
    assert environment.entries(value) == expected


@pytest.mark.parametrize(
    ("flags", "patience"),
    [
        ("", 90),
        ("--start-period=1m30s", 180),
        ("--interval=500ms --retries=4", 2),
        ("--interval=0 --retries=0 --start-period=0s", 90),  # 0 is Docker's word for its default
        ("--interval=1h --retries=1 --start-period=1.5m", 3690),
    ],
)
def test_docker_waits_for_the_start_period_and_then_for_each_retry(flags: str, patience: float) -> None:
    found = health.health_check(parse(f"FROM a\nHEALTHCHECK {flags} CMD x\n"))
    assert found is not None and found.patience == patience


def test_the_health_check_that_counts_is_the_last_of_the_stages_that_ship() -> None:
    text = (
        "FROM a AS b\nHEALTHCHECK CMD one\nFROM b AS c\nRUN x\nFROM c\nHEALTHCHECK CMD two\nHEALTHCHECK CMD three -f"
    )
    found = health.health_check(parse(text))
    assert found is not None and [command.words for command in found.commands] == [("three", "-f")]
    assert health.health_check(parse("FROM a AS b\nHEALTHCHECK CMD x\nFROM b\nHEALTHCHECK NONE\n")) is None


def test_a_variable_knows_its_last_value_and_who_wrote_what() -> None:
    text = 'FROM a AS b\nENV P=/x\nFROM b\nENV Q=1 P="/y:$P"\nENV R=$P\n'
    found = environment.shipped(parse(text))["P"]
    assert (found.value, [one.written for one in found.settings]) == ("/y:/x", ["/x", '"/y:$P"'])
    assert found.setting_with(lambda entry: entry == "/x").instruction.line == 2
    assert (found.last.pair, found.last.alone) == (1, False)
