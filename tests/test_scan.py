"""The scan sees what is in an image, says how blind it was, and runs inside walls.

Most tests replay what Trivy 0.76.0 said about the image that `real_image` builds. UPDATE_RECORDED=1 asks it again.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline import layout, tools
from pipeline.advisories import bolt, databases, facts, osv
from pipeline.errors import BadImage, Interrupted, ToolFailed, ToolMissing, ToolUntrusted
from pipeline.layout import Layout
from pipeline.model import Image, LayerOrigin, Scan, Skipped, document
from pipeline.scan import rescan, scan
from pipeline.scan.jail import Jail
from pipeline.setup import locked, trivy

VERSION = locked.tool("trivy").version
RECORDED = Path(__file__).parent / "recorded"
NO_DATABASE = Skipped(because="no database: ghcr.io is out of reach")
TOKEN = "hf_" + "".join(chr(97 + byte % 26) for byte in os.urandom(34))
KEY = [base64.b64encode(os.urandom(48)).decode() for _ in range(24)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))


# --- the real parts -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def program() -> tuple[Path, str]:
    """The real scanner and its sha256."""
    own = os.environ.get("SEATRIAL_TRIVY")
    try:
        path = Path(own) if own else trivy.path()
    except ToolMissing as error:
        pytest.skip(f"no scanner: {error.what}")
    return path, tools.sha256_of(path)


FILES = {
    "etc/os-release": 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
    "etc/debian_version": "12.5\n",
    "var/lib/dpkg/status": "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        for name, version in (("bash", "5.2.15-2"), ("zlib1g", "1:1.2.13.dfsg-1"))
    ),
    "usr/lib/python3/site-packages/pillow-9.0.0.dist-info/METADATA": (
        "Metadata-Version: 2.1\nName: Pillow\nVersion: 9.0.0\n"
    ),
    "opt/app/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.20"}',
}
DOCKERFILE = "FROM scratch\nCOPY root /\nCOPY key /root/.ssh/id_rsa\nARG TOKEN\nENV HF_TOKEN=$TOKEN\n"


@pytest.fixture(scope="session")
def real_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """A small image: two Debian packages, a flawed wheel, a node package, a private key, a token in ENV."""
    context = tmp_path_factory.mktemp("image")
    for name, content in FILES.items():
        (context / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (context / "root" / name).write_text(content)
    (context / "key").write_text(
        "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *KEY, "-----END RSA PRIVATE KEY-----", ""])
    )
    (context / "Dockerfile").write_text(DOCKERFILE)
    tag = f"seatrial-test/scan:{uuid.uuid4().hex[:12]}"
    subprocess.run(["docker", "buildx", "build", "--quiet", "--provenance=false", "--load", "--build-arg",
                    f"TOKEN={TOKEN}", "--tag", tag, str(context)], check=True, capture_output=True)  # fmt: skip
    try:
        shown = subprocess.run(["docker", "image", "inspect", "--format", "{{.Id}}", tag], check=True,
                               capture_output=True, text=True)  # fmt: skip
        yield Image(
            name="scanned", repository="127.0.0.1:5000/seatrial-test/scan", digest=shown.stdout.strip(), local=tag
        )
    finally:
        subprocess.run(["docker", "image", "rm", "--force", tag], check=True, capture_output=True)


def origins_of(contents: Layout) -> tuple[LayerOrigin, ...]:
    """As `attribution` would have it; the first layer plays the base's."""
    return tuple(
        LayerOrigin(digest=digest, diff_id=diff_id, instruction=f"COPY {number}",
                    dockerfile_line=number + 2 if number else None, origin="own" if number else "base")
        for number, (digest, diff_id, _, _) in enumerate(contents.layers)
    )  # fmt: skip


@pytest.fixture
def really(program: tuple[Path, str], real_image: Image) -> Iterator[Callable[..., Scan]]:
    path, sha256 = program
    with layout.opened(real_image.local, real_image.digest) as contents:
        image = dataclasses.replace(real_image, digest=contents.digest)

        def ask(database: facts.DatabaseFiles | Skipped, run: tools.Run = tools.run) -> Scan:
            return scan(image, contents, origins_of(contents), database, trivy=path, sha256=sha256, version=VERSION,
                        run=run)  # fmt: skip

        yield ask


# --- replaying ------------------------------------------------------------------------------------


def said(name: str) -> Any:
    return json.loads((RECORDED / f"trivy-0.76.0-{name}.json").read_bytes())


@dataclasses.dataclass
class Replay:
    """Trivy's recorded answers instead of Trivy. What is set to a function is called, to hear it answer otherwise."""

    image: Any = None
    convert: Any = None
    sbom: Any = None
    heard: list[Sequence[str]] = dataclasses.field(default_factory=list)

    def __call__(self, argv: Sequence[str], *, timeout: float = 600, env: object = None, cwd: object = None) -> str:
        self.heard.append(argv)
        command = argv[argv.index("--chdir") + 3]
        answer = getattr(self, command)
        if answer is None:
            answer = said({"sbom": "canary"}.get(command, command))
        if callable(answer):
            answer = answer()
        return answer if isinstance(answer, str) else json.dumps(answer)


@pytest.fixture
def pretend(tmp_path: Path) -> Callable[..., Scan]:
    """`scan` of the recorded image; the scanner is a file that nobody starts."""
    binary = tmp_path / "trivy"
    binary.write_bytes(b"not started")
    metadata = said("image")["Metadata"]
    layers = [{"digest": layer["Digest"], "size": 1, "mediaType": "x"} for layer in metadata["Layers"]]
    contents = Layout(
        folder=tmp_path,
        blobs=tmp_path / "blobs",
        source="test",
        digest="sha256:" + "d" * 64,
        manifest={"config": {"digest": metadata["ImageID"]}, "layers": layers},
        config={"created": "2026-01-01T00:00:00Z", "rootfs": {"diff_ids": metadata["DiffIDs"]}},
    )
    (contents.blobs / "sha256").mkdir(parents=True)
    for digest in (contents.digest, metadata["ImageID"], *(layer["digest"] for layer in layers)):
        contents.blob(digest).write_bytes(b"x")
    image = Image(name="scanned", repository="registry.example/scanned", digest=contents.digest, local="x")

    def ask(
        database: facts.DatabaseFiles | Skipped | None = None, run: tools.Run | None = None, **changes: Any
    ) -> Scan:
        arguments = {"trivy": binary, "sha256": tools.sha256_of(binary), "version": "0.76.0", **changes}
        return scan(image, arguments.pop("layout", contents), origins_of(contents), database or databases.shipped(),
                    run=run or Replay(), **arguments)  # fmt: skip

    return ask


# --- what a scan says -----------------------------------------------------------------------------


def test_flaws_carry_the_line_that_brought_them_the_worst_first(pretend: Callable[..., Scan]) -> None:
    flaws = pretend().flaws
    assert [flaw.severity for flaw in flaws] == ["critical", "high", "high", "medium"]
    assert {(flaw.package, flaw.version) for flaw in flaws} == {("Pillow", "9.0.0")}
    assert {(flaw.id, flaw.fixed_in) for flaw in flaws} >= {("CVE-2023-50447", "10.2.0")}
    assert {(flaw.instruction, flaw.dockerfile_line, flaw.origin) for flaw in flaws} == {("COPY 0", None, "base")}


def test_packages_that_the_database_does_not_know_are_named_as_blind(pretend: Callable[..., Scan]) -> None:
    database = pretend().database
    assert database is not None
    assert database.covers == ("python packages",)
    assert {"debian 12 packages (2)", "node packages (1)"} <= set(database.blind)
    assert any("sample" in words for words in database.blind)


@pytest.mark.parametrize(
    ("system", "bucket"),
    [
        ({"Family": "debian", "Name": "12.5"}, "debian 12"),
        ({"Family": "ubuntu", "Name": "22.04"}, "ubuntu 22.04"),
        ({"Family": "alpine", "Name": "3.19.1"}, "alpine 3.19"),
        ({"Family": "rocky", "Name": "9.3"}, "rocky 9"),
        ({"Family": "redhat", "Name": "9.3"}, "Red Hat"),
        ({"Family": "amazon", "Name": "2023 (Amazon Linux)"}, "amazon linux 2023"),
        ({"Family": "oracle", "Name": "8.9"}, "Oracle Linux 8"),
    ],
)
def test_a_distribution_is_blind_exactly_when_its_release_is_not_in_the_database(
    pretend: Callable[..., Scan], system: dict[str, str], bucket: str
) -> None:
    answer = said("image")
    answer["Metadata"]["OS"] = system
    shipped = databases.shipped()
    for ecosystems, blind in (((bucket,), False), (("pip",), True), ((bucket + "0",), True)):
        files = dataclasses.replace(shipped, ecosystems=ecosystems)
        database = pretend(files, run=Replay(image=answer)).database
        assert database is not None
        assert any(words.endswith(" packages (2)") for words in database.blind) == blind, (bucket, database.blind)


def test_a_kind_of_package_that_the_scanner_never_judges_is_blind(pretend: Callable[..., Scan]) -> None:
    answer = said("image")
    answer["Results"].append({"Class": "lang-pkgs", "Type": "conda-pkg", "Packages": [{}, {}, {}]})
    answer["Metadata"]["OS"]["EOSL"] = True
    files = dataclasses.replace(databases.shipped(), unrated=12)
    database = pretend(files, run=Replay(image=answer)).database
    assert database is not None
    assert "conda-pkg packages (3)" in database.blind
    assert "12 flaws in the database carry no severity" in database.blind
    assert any("past its end of life" in words for words in database.blind)


def test_without_a_database_the_scan_says_why_and_still_sees_packages_and_secrets(
    pretend: Callable[..., Scan],
) -> None:
    replay = Replay()
    seen = pretend(NO_DATABASE, run=replay)
    assert seen.vulnerabilities == NO_DATABASE
    assert seen.database is None
    assert seen.packages == 4 and len(seen.secrets) == 3 and seen.sbom["components"]
    image = next(argv for argv in replay.heard if "image" in argv)
    assert image[image.index("--scanners") + 1] == "secret"


def test_secrets_are_named_by_place_and_nothing_of_them_is_kept(pretend: Callable[..., Scan]) -> None:
    answer = said("image")
    for result in answer["Results"]:
        for secret in result.get("Secrets", ()):
            secret["Match"] += " hunter2"
            secret["Code"] = {"Lines": [{"Content": "hunter2"}]}
    answer["Metadata"]["ImageConfig"]["config"]["Env"] = ["HF_TOKEN=hunter2"]
    seen = pretend(run=Replay(image=answer))
    assert [(s.rule, s.path, s.line) for s in seen.secrets] == [
        ("hugging-face-access-token", "image configuration: HF_TOKEN", None),
        ("hugging-face-access-token", "image configuration: TOKEN", None),  # the ARG, from the history
        ("private-key", "/root/.ssh/id_rsa", 2),
    ]
    assert seen.secrets[2].dockerfile_line == 3
    assert "hunter2" not in json.dumps(document(seen))


def test_a_flaw_that_is_reported_twice_counts_once_and_odd_severities_stay_unknown(
    pretend: Callable[..., Scan],
) -> None:
    answer = said("image")
    entries = next(result["Vulnerabilities"] for result in answer["Results"] if result.get("Vulnerabilities"))
    entries += [
        dict(entries[0]),
        {**entries[0], "VulnerabilityID": "CVE-X", "Severity": "NEGLIGIBLE", "FixedVersion": ""},
    ]
    flaws = pretend(run=Replay(image=answer)).flaws
    assert len(flaws) == 5
    assert (flaws[-1].id, flaws[-1].severity, flaws[-1].fixed_in) == ("CVE-X", "unknown", None)


def test_a_layer_that_nobody_knows_counts_as_our_own(pretend: Callable[..., Scan]) -> None:
    answer = said("image")
    for result in answer["Results"]:
        for entry in result.get("Vulnerabilities", ()):
            entry["Layer"] = {"DiffID": "sha256:" + "0" * 64}
    flaw = pretend(run=Replay(image=answer)).flaws[0]
    assert (flaw.layer, flaw.instruction, flaw.origin) == (None, None, "own")


def test_the_bill_of_materials_names_the_digest_and_is_the_same_each_time(pretend: Callable[..., Scan]) -> None:
    other = said("convert")
    old = other["metadata"]["component"]["bom-ref"]
    other = json.loads(json.dumps(other).replace(old, str(uuid.uuid4())))
    other["serialNumber"], other["metadata"]["timestamp"] = f"urn:uuid:{uuid.uuid4()}", "2099-01-01T00:00:00Z"
    other["components"].reverse()
    first, second = pretend().sbom, pretend(run=Replay(convert=other)).sbom
    assert json.dumps(first) == json.dumps(second)
    subject = first["metadata"]["component"]
    assert subject["name"] == "registry.example/scanned" and subject["version"] == "sha256:" + "d" * 64
    assert subject["purl"].startswith("pkg:oci/scanned@sha256%3Addd")
    assert first["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"
    assert "vulnerabilities" not in first
    references = {component["bom-ref"] for component in (subject, *first["components"])}
    assert {dependency["ref"] for dependency in first["dependencies"]} <= references


# --- faults ---------------------------------------------------------------------------------------


def broken(change: Callable[[Any], object]) -> Callable[[], Any]:
    def changed() -> Any:
        answer = said("image")
        change(answer)
        return answer

    return changed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "it is empty"),
        ("panic: runtime error", "it begins 'panic"),
        (json.dumps({"SchemaVersion": 2})[:-4], "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"),
        (broken(lambda a: a.update(SchemaVersion=3)), "of schema 3, not 2"),
        (broken(lambda a: a["Trivy"].update(Version="0.69.4")), "of version '0.69.4'"),
        (broken(lambda a: a.pop("Trivy")), "not as Trivy writes it"),
        (broken(lambda a: a.update(Results=["x"])), "not as Trivy writes it"),
        (broken(lambda a: a.update(Metadata=7)), "not as Trivy writes it"),
        (broken(lambda a: a["Metadata"].update(DiffIDs=["sha256:" + "1" * 64])), "about another image"),
        (broken(lambda a: a["Metadata"].pop("DiffIDs")), "about another image"),
        (broken(lambda a: a["Results"].append({"Vulnerabilities": [{}]})), "a flaw not as Trivy writes it"),
        (broken(lambda a: a["Results"].append({"Secrets": [{"RuleID": 7}]})), "a secret not as Trivy writes it"),
    ],
)  # fmt: skip
def test_nonsense_is_a_failure_that_says_so_and_never_clean(
    pretend: Callable[..., Scan], answer: object, words: str
) -> None:
    with pytest.raises(ToolFailed, match=re.escape(words)):
        pretend(run=Replay(image=answer))


@pytest.mark.parametrize("answer", ["", "{}", '{"bomFormat": "SPDX"}', '{"bomFormat": "CycloneDX"}', "[" * 100_000])
def test_a_bill_of_materials_that_is_none_is_a_failure(pretend: Callable[..., Scan], answer: str) -> None:
    with pytest.raises(ToolFailed, match="bill of materials is not CycloneDX"):
        pretend(run=Replay(convert=answer))


def test_a_scanner_that_does_not_report_the_canary_is_not_believed(pretend: Callable[..., Scan]) -> None:
    silent = said("canary")
    silent["Results"] = []
    with pytest.raises(ToolFailed, match="does not report what its database holds"):
        pretend(run=Replay(sbom=silent))


def test_the_canary_is_asked_once_for_each_database_and_scanner(pretend: Callable[..., Scan]) -> None:
    replay = Replay()
    pretend(run=replay), pretend(run=replay)
    assert sum("sbom" in argv for argv in replay.heard) == 1
    pretend(dataclasses.replace(databases.shipped(), digest="sha256:" + "0" * 64), run=replay)
    assert sum("sbom" in argv for argv in replay.heard) == 2


def test_a_silent_canary_is_asked_again_the_next_time(pretend: Callable[..., Scan]) -> None:
    silent = Replay(sbom={**said("canary"), "Results": []})
    for _ in range(2):
        with pytest.raises(ToolFailed):
            pretend(run=silent)
    assert len(silent.heard) == 2


def test_a_database_without_a_row_to_find_again_is_not_believed(pretend: Callable[..., Scan]) -> None:
    with pytest.raises(ToolFailed, match="nothing shows that the scanner reads it"):
        pretend(dataclasses.replace(databases.shipped(), probes=()))


def test_a_missing_scanner_is_missing(pretend: Callable[..., Scan], tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="trivy is not installed"):
        pretend(trivy=tmp_path / "nothing")


def test_a_scanner_with_other_bytes_is_never_started(pretend: Callable[..., Scan]) -> None:
    replay = Replay()
    with pytest.raises(ToolUntrusted, match="it was not started"):
        pretend(run=replay, sha256="0" * 64)
    assert not replay.heard


def test_a_scanner_that_is_exchanged_between_two_starts_is_not_started_again(
    pretend: Callable[..., Scan], tmp_path: Path
) -> None:
    def exchanged() -> Any:
        (tmp_path / "trivy").write_bytes(b"exchanged")
        return said("image")

    with pytest.raises(ToolUntrusted):
        pretend(run=Replay(image=exchanged))


def test_without_bwrap_the_scanner_is_not_started(
    pretend: Callable[..., Scan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "find", lambda name: None)
    replay = Replay()
    with pytest.raises(ToolMissing, match="bwrap is not installed"):
        pretend(run=replay)
    assert not replay.heard


def test_where_no_jail_can_be_built_the_scan_fails_with_the_way_out(pretend: Callable[..., Scan]) -> None:
    def refused() -> None:
        raise ToolFailed("env exited 1", hint="", returncode=1,
                         stderr="bwrap: No permissions to create new namespace")  # fmt: skip

    with pytest.raises(ToolFailed, match="jail cannot be built") as caught:
        pretend(run=Replay(image=refused))
    assert "user namespaces" in caught.value.hint


def test_an_image_whose_layer_is_gone_is_a_bad_image(pretend: Callable[..., Scan], tmp_path: Path) -> None:
    gone = said("image")["Metadata"]["Layers"][0]["Digest"]
    (tmp_path / "blobs" / gone.replace(":", "/")).unlink()
    with pytest.raises(BadImage, match=gone):
        pretend()


def test_the_jail_shows_this_image_and_no_other(pretend: Callable[..., Scan], tmp_path: Path) -> None:
    (tmp_path / "blobs" / "sha256" / ("e" * 64)).write_bytes(b"another image's layer")
    replay = Replay()
    pretend(run=replay)
    argv = next(argv for argv in replay.heard if "image" in argv)
    shown = [inside for inside in argv if inside.startswith("/image/blobs/")]
    assert len(shown) == 4 and not any("e" * 64 in inside for inside in shown)


# --- the walls, for real --------------------------------------------------------------------------

LOOKER = r"""
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
  for (char **e = environ; *e; e++) printf("env %s\n", *e);
  DIR *processes = opendir("/proc");
  for (struct dirent *d; processes && (d = readdir(processes));) {
    char name[300], text[65536];
    snprintf(name, sizeof name, "/proc/%s/environ", d->d_name);
    FILE *file = fopen(name, "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    for (size_t i = 0; i < size; i += strlen(text + i) + 1) { text[size] = 0; printf("proc %s\n", text + i); }
  }
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  inet_pton(AF_INET, "127.0.0.1", &there.sin_addr);
  if (!connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&there, sizeof there)) puts("connected");
  FILE *home = fopen(argv[2], "r");
  if (home) puts("read the file");
  for (int i = 3; i < argc; i++) printf("%s %s\n", fopen(argv[i], "a") ? "wrote" : "kept from", argv[i]);
  DIR *root = opendir("/");
  for (struct dirent *d; root && (d = readdir(root));) printf("root %s\n", d->d_name);
}
"""


def compiled(folder: Path, source: str) -> Path:
    if tools.find("gcc") is None:
        pytest.skip("gcc is not installed: the walls are tried with a program of our own")
    (folder / "program.c").write_text(source)
    subprocess.run(["gcc", "-static", "-o", str(folder / "program"), str(folder / "program.c")], check=True)
    return folder / "program"


@pytest.mark.real
def test_inside_the_jail_there_is_no_network_no_secret_and_nothing_to_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = compiled(tmp_path, LOOKER)
    monkeypatch.setenv("REGISTRY_PASSWORD", "hunter2")
    private, image = tmp_path / "private", tmp_path / "layer"
    private.write_text("hunter2")
    image.write_text("layer")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = [
            str(listener.getsockname()[1]),
            str(private),
            "/image/layer",
            "/trivy",
            "/etc/x",
            "/tmp/x",
            "/cache/x",
        ]
        outside = subprocess.run([fake, *arguments[:2]], check=True, capture_output=True, text=True).stdout
        inside = Jail(trivy=fake, sha256=tools.sha256_of(fake))(arguments, read_only=[(image, "/image/layer")])
    # The same program outside: it can see all of it, so that seeing nothing means something.
    assert all(
        seen in outside
        for seen in ("env REGISTRY_PASSWORD=hunter2", "proc REGISTRY_PASSWORD", "connected", "read the file")
    )
    assert "hunter2" not in inside and "connected" not in inside and "read the file" not in inside
    assert {line for line in inside.splitlines() if line.startswith(("env ", "proc "))} == {
        f"{where} {variable}" for where in ("env", "proc") for variable in ("HOME=/tmp", "PWD=/tmp")
    }
    assert [line.split()[0] for line in inside.splitlines() if re.match("wrote|kept", line)] == ["kept"] * 3 + [
        "wrote"
    ] * 2
    assert {line for line in inside.splitlines() if line.startswith("root ") and "." not in line} == {
        f"root {name}" for name in ("trivy", "cache", "tmp", "image", "proc", "dev")
    }
    assert image.read_text() == "layer"


@pytest.mark.real
def test_a_scanner_that_crashes_is_a_failure_with_its_last_words(tmp_path: Path) -> None:
    source = '#include <stdio.h>\nint main() { fputs("FATAL out of luck\\n", stderr); return 1; }'
    fake = compiled(tmp_path, source)
    with pytest.raises(ToolFailed, match="trivy exited 1\n  FATAL out of luck") as caught:
        Jail(trivy=fake, sha256=tools.sha256_of(fake))([])
    assert caught.value.returncode == 1


@pytest.mark.real
def test_a_scanner_that_hangs_is_stopped_with_everything_it_started(tmp_path: Path) -> None:
    source = (
        "#include <signal.h>\n#include <unistd.h>\nint main() { signal(SIGINT, SIG_IGN); fork(); for (;;) pause(); }"
    )
    fake = compiled(tmp_path, source)
    with pytest.raises(ToolFailed, match="ran longer than 1 s"):
        Jail(trivy=fake, sha256=tools.sha256_of(fake), timeout=1)([])
    while any(runs(link, fake) for link in Path("/proc").glob("[0-9]*/exe")):
        time.sleep(0.05)  # the kernel ends them once bwrap is gone; if it did not, this test would time out


def runs(link: Path, program: Path) -> bool:
    try:
        return link.samefile(program)
    except OSError:
        return False  # gone meanwhile, or a kernel thread


# --- the real scanner -----------------------------------------------------------------------------


class Recorder:
    """Runs the real scanner and keeps what it says, without what was drawn by chance and without the credentials."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}

    def __call__(self, argv: Sequence[str], *, timeout: float = 600, env: Any = None, cwd: Any = None) -> str:
        text = tools.run(argv, timeout=timeout, env=env, cwd=cwd)
        command = argv[argv.index("--chdir") + 3]
        self.answers[{"sbom": "canary"}.get(command, command)] = text.replace(TOKEN, "hf_INVENTED")
        return text


@pytest.mark.real
def test_the_real_scanner_says_what_was_recorded(really: Callable[..., Scan], request: pytest.FixtureRequest) -> None:
    recorder = Recorder()
    seen = really(databases.shipped(), run=recorder)
    if os.environ.get("UPDATE_RECORDED") and not os.environ.get("CI"):
        for name, text in recorder.answers.items():
            (RECORDED / f"trivy-0.76.0-{name}.json").write_text(text)
    assert set(recorder.answers) == {"canary", "image", "convert"}
    replayed = request.getfixturevalue("pretend")()  # only now: it reads what may just have been written

    def essence(one: Scan) -> object:
        flaws = [(flaw.id, flaw.package, flaw.severity, flaw.fixed_in, flaw.dockerfile_line) for flaw in one.flaws]
        secrets = [(secret.rule, secret.path, secret.line, secret.dockerfile_line) for secret in one.secrets]
        return flaws, secrets, one.packages, one.database, sorted(c["name"] for c in one.sbom["components"])

    assert essence(seen) == essence(replayed)


@pytest.mark.real
def test_nothing_of_a_real_secret_is_in_the_scan(really: Callable[..., Scan]) -> None:
    text = json.dumps(document(really(databases.shipped())))
    assert TOKEN not in text and not any(line in text for line in KEY)


@pytest.mark.real
def test_two_scans_give_the_same_bill_of_materials(really: Callable[..., Scan]) -> None:
    assert json.dumps(really(NO_DATABASE).sbom) == json.dumps(really(NO_DATABASE).sbom)


@pytest.mark.real
def test_scans_side_by_side_do_not_disturb_each_other(really: Callable[..., Scan]) -> None:
    shipped = databases.shipped()
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda _: really(shipped), range(4)))
    assert len({json.dumps([document(flaw) for flaw in one.flaws]) for one in seen}) == 1 and len(seen[0].flaws) == 4


@pytest.mark.real
def test_the_stored_bill_of_materials_is_enough_to_look_again(
    really: Callable[..., Scan], real_image: Image, program: tuple[Path, str]
) -> None:
    shipped = databases.shipped()
    before = really(NO_DATABASE)
    with layout.opened(real_image.local, real_image.digest) as contents:
        origins = origins_of(contents)
    path, sha256 = program
    after = rescan(before, origins, shipped, trivy=path, sha256=sha256, version=VERSION)
    full = really(shipped)
    assert after.flaws == full.flaws and after.database == full.database and after.vulnerabilities is None
    assert after.secrets == before.secrets and after.sbom == before.sbom
    lost = rescan(after, origins, NO_DATABASE, trivy=path, sha256=sha256, version=VERSION)
    assert (lost.flaws, lost.database, lost.vulnerabilities) == ((), None, NO_DATABASE)


def ready(folder: Path, tree: bolt.Tree) -> facts.DatabaseFiles:
    folder.mkdir()
    bolt.write(folder / "trivy.db", tree)
    stamp = {"Version": 2, "UpdatedAt": "2026-01-01T00:00:00Z", "NextUpdate": "2026-01-01T00:00:00Z",
             "DownloadedAt": "2026-01-01T00:00:00Z"}  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(stamp))
    return facts.describe(folder, "test")


@pytest.mark.real
def test_a_database_of_a_distribution_is_proved_and_judges_its_packages(
    really: Callable[..., Scan], tmp_path: Path
) -> None:
    tree: bolt.Tree = {
        b"debian 12": {b"bash": {b"CVE-2099-1": b'{"FixedVersion": "99"}'}},
        b"vulnerability": {b"CVE-2099-1": b'{"Title": "Invented.", "VendorSeverity": {"debian": 3}}'},
        b"data-source": {b"debian 12": b'{"ID": "debian", "Name": "x", "URL": ""}'},
    }
    seen = really(ready(tmp_path / "db", tree))
    assert [(flaw.id, flaw.package, flaw.severity, flaw.fixed_in) for flaw in seen.flaws] == [
        ("CVE-2099-1", "bash", "high", "99")
    ]
    assert seen.database is not None
    assert seen.database.blind == ("node packages (1)", "python packages (1)")


@pytest.mark.real
def test_somebody_elses_python_database_is_proved_by_its_own_rows(
    really: Callable[..., Scan], tmp_path: Path
) -> None:
    tree: bolt.Tree = {
        b"pip::X": {b"pillow": {b"CVE-2099-2": b'{"VulnerableVersions": ["<10"], "PatchedVersions": ["10"]}'}},
        b"vulnerability": {}, b"data-source": {},
    }  # fmt: skip
    assert [flaw.id for flaw in really(ready(tmp_path / "db", tree)).flaws] == ["CVE-2099-2"]


@pytest.mark.real
def test_a_database_whose_rows_the_scanner_cannot_see_is_not_believed(
    really: Callable[..., Scan], tmp_path: Path
) -> None:
    # A row under a name that Trivy never looks for stands for every way in which a database can be read past.
    tree: bolt.Tree = {
        b"pip::X": {b"Not_Normal": {b"CVE-2099-3": b'{"VulnerableVersions": ["<10"]}'}},
        b"vulnerability": {}, b"data-source": {},
    }  # fmt: skip
    with pytest.raises(ToolFailed, match="does not report what its database holds"):
        really(ready(tmp_path / "db", tree))


@pytest.mark.real
def test_the_real_scanner_reads_every_name_that_we_write(really: Callable[..., Scan]) -> None:
    assert osv.CANARY_ID in [probe.flaw for probe in databases.shipped().probes]
    assert really(databases.shipped()).database is not None


@pytest.mark.real
def test_a_scan_that_is_interrupted_leaves_nothing_behind(really: Callable[..., Scan], tmp_path: Path) -> None:
    threading.Timer(0.05, tools.stop_all).start()
    try:
        with pytest.raises(Interrupted):
            for _ in range(50):
                really(NO_DATABASE)
    finally:
        tools.resume()
    left = [
        path
        for path in Path(os.environ.get("TMPDIR", "/tmp")).glob("seatrial-scan-*")
        if path.stat().st_uid == os.getuid()
    ]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    assert not left
