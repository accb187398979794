"""The machine's own secrets: what a build gets to see, and what it must never get to see."""

from __future__ import annotations

import configparser
import os
import re
import stat
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pipeline import machine
from pipeline.errors import BadFile, PipelineError

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on what this machine's shell has set."""
    for name in tuple(os.environ):
        if name.startswith("PIP_") or name in (*machine.CA_VARIABLES, "SEATRIAL_APT_SOURCES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # pip then reads no file of this machine


def pip(tmp_path: Path) -> dict[str, str]:
    parsed = configparser.RawConfigParser()
    parsed.read(machine.secret("pip", tmp_path))
    assert parsed.sections() == ["global"]
    return dict(parsed["global"])


def apt(tmp_path: Path, files: dict[str, str], release: str = "bookworm") -> list[str]:
    """The sources, one text each, that a Debian with these files would hand to a build."""
    for name, text in files.items():
        path = tmp_path / "apt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [machine._deb822(source) for source in machine._own_sources(tmp_path / "apt", release)]


# --- every kind -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ca", "pip", "apt"])
def test_a_secret_is_readable_by_its_owner_only(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, sources = tmp_path / "bundle.pem", tmp_path / "sources"
    bundle.write_text(CERTIFICATE)
    sources.write_text("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("SEATRIAL_APT_SOURCES", str(sources))
    before = os.umask(0)
    try:
        path = machine.secret(kind, tmp_path)  # type: ignore[arg-type]
    finally:
        os.umask(before)
    assert path.parent == tmp_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_planted_link_is_replaced_and_not_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "ca").symlink_to(victim)
    assert machine.secret("ca", scratch).read_text() == CERTIFICATE
    assert victim.read_text() == "mine"


# --- ca -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"])
def test_the_bundle_that_a_variable_names_is_taken(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(CERTIFICATE)
    monkeypatch.setenv(variable, str(bundle))
    assert machine.secret("ca", tmp_path).read_text() == CERTIFICATE


def test_without_a_variable_the_distribution_s_bundle_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca-bundle.pem"
    bundle.write_text(CERTIFICATE)
    monkeypatch.setattr(machine, "CA_BUNDLES", (str(tmp_path / "absent"), str(bundle)))
    assert machine.secret("ca", tmp_path).read_text() == CERTIFICATE


def test_a_variable_that_names_a_missing_bundle_is_an_error_that_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    with pytest.raises(BadFile) as caught:
        machine.secret("ca", tmp_path)
    assert "gone.pem" in caught.value.what
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


@pytest.mark.parametrize("content", ["", "hello", "-----BEGIN PUBLIC KEY-----"])
def test_a_file_without_a_certificate_is_no_bundle(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(BadFile, match="no PEM certificate"):
        machine.secret("ca", tmp_path)


def test_a_bundle_with_a_private_key_never_reaches_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(CERTIFICATE + "-----BEGIN RSA PRIVATE KEY-----\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(BadFile, match="private key"):
        machine.secret("ca", tmp_path)
    assert not (tmp_path / "ca").exists()


def test_a_machine_without_any_bundle_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        cafile = None

    monkeypatch.setattr(machine, "CA_BUNDLES", ())
    monkeypatch.setattr("ssl.get_default_verify_paths", Nothing)
    with pytest.raises(PipelineError, match="no CA bundle") as caught:
        machine.secret("ca", tmp_path)
    assert "SSL_CERT_FILE" in caught.value.hint


# --- pip ------------------------------------------------------------------------------------------


def test_without_settings_pip_gets_the_bundle_of_the_build(tmp_path: Path) -> None:
    assert pip(tmp_path)["cert"] == "/run/secrets/ca"
    assert "index-url" not in pip(tmp_path)


def test_an_index_in_the_environment_reaches_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:pass%20word@mirror.example/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "mirror.example")
    found = pip(tmp_path)
    assert found["index-url"] == "https://me:pass%20word@mirror.example/simple"
    assert found["trusted-host"] == "mirror.example"


def test_pip_s_own_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://one.example/simple\ntimeout = 90\n[install]\nretries = 9\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    assert pip(tmp_path)["index-url"] == "https://one.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://two.example/simple")
    found = pip(tmp_path)
    assert (found["index-url"], found["timeout"], found["retries"]) == ("https://two.example/simple", "90", "9")


def test_what_lies_on_this_machine_s_disk_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nfind-links =\n    /srv/wheels\n    https://wheels.example/torch\n"
        "extra-index-url =\n    file:///srv/simple\n    https://a.example/simple\n    https://b.example/simple\n"
        "index-url = FILE:///srv/pypi\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    found = pip(tmp_path)
    assert found["find-links"] == "https://wheels.example/torch"
    assert found["extra-index-url"].split() == ["https://a.example/simple", "https://b.example/simple"]
    assert "index-url" not in found
    assert "/srv" not in machine.secret("pip", tmp_path).read_text()


def test_settings_about_this_machine_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\ncert = /home/me/ca.pem\nclient-cert = /home/me/key.pem\ntarget = /srv/x\nuser = true\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    assert pip(tmp_path) == {"cert": "/run/secrets/ca", "disable-pip-version-check": "true"}


def test_a_machine_that_only_has_local_packages_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/srv/wheels")
    with pytest.raises(PipelineError, match="disk only") as caught:
        machine.secret("pip", tmp_path)
    assert "PIP_INDEX_URL" in caught.value.hint


def test_without_pip_the_environment_still_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(_python_without_pip(tmp_path)))
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    assert pip(tmp_path)["index-url"] == "https://mirror.example/simple"


def _python_without_pip(folder: Path) -> Path:
    """A real venv made without pip; its python says `No module named pip` itself."""
    venv.create(folder / "bare", with_pip=False, symlinks=True)
    return folder / "bare/bin/python"


# --- apt ------------------------------------------------------------------------------------------


def test_a_named_file_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "own.sources"
    named.write_text("Types: deb\nURIs: https://me:secret@mirror.example/debian\nSuites: trixie\nComponents: main\n")
    monkeypatch.setenv("SEATRIAL_APT_SOURCES", str(named))
    assert machine.secret("apt", tmp_path).read_bytes() == named.read_bytes()


def test_a_named_file_that_is_missing_or_no_sources_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "own.sources"
    monkeypatch.setenv("SEATRIAL_APT_SOURCES", str(named))
    with pytest.raises(BadFile, match="cannot be read"):
        machine.secret("apt", tmp_path)
    named.write_text("deb http://mirror.example/debian bookworm main\n")
    with pytest.raises(BadFile, match="URIs"):
        machine.secret("apt", tmp_path)


def test_debian_s_own_suites_are_kept_and_a_testing_suite_is_not(tmp_path: Path) -> None:
    stanza = "Types: deb\nURIs: http://mirror.example/debian\nSuites: {}\nComponents: main\n"
    found = apt(tmp_path, {
        "sources.list.d/debian.sources": stanza.format("bookworm bookworm-updates") + f"Signed-By: {KEYRING}\n",
        "sources.list.d/more.sources": stanza.format("forky") + "\n" + stanza.format("bookworm-backports"),
    })  # fmt: skip
    assert found == [
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n"
        f"Components: main\nSigned-By: {KEYRING}\n"
    ]


def test_the_older_form_is_turned_into_deb822(tmp_path: Path) -> None:
    found = apt(tmp_path, {"sources.list": (
        "# a comment\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        f"deb [arch=amd64 signed-by={KEYRING}] https://mirror.example/debian bookworm main contrib # why\n"
        "deb http://mirror.example/debian-security bookworm-security main\n"
        "deb [broken http://mirror.example/debian bookworm main\n"
    )})  # fmt: skip
    assert found == [
        f"Types: deb\nURIs: https://mirror.example/debian\nSuites: bookworm\nComponents: main contrib\n"
        f"Signed-By: {KEYRING}\n",
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n",
    ]


@pytest.mark.parametrize(
    "stanza",
    [
        pytest.param("Types: deb\nURIs: https://v.example/apt\nSuites: bookworm\nComponents: main\n"
                     "Signed-By: /etc/apt/keyrings/vendor.gpg\n", id="another vendor's key"),
        pytest.param("Types: deb\nURIs: https://v.example/apt\nSuites: bookworm\nComponents: main\n"
                     "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n", id="a key in the file"),
        pytest.param("Types: deb\nURIs: https://v.example/apt\nSuites: bookworm\nComponents: stable\n", id="parts"),
        pytest.param("Types: deb\nURIs: file:/srv/debian\nSuites: bookworm\nComponents: main\n", id="on this disk"),
        pytest.param("Types: deb-src\nURIs: https://v.example/apt\nSuites: bookworm\nComponents: main\n", id="src"),
        pytest.param("Enabled: no\nTypes: deb\nURIs: https://v.example/apt\nSuites: bookworm\nComponents: main\n",
                     id="switched off"),
        pytest.param("Types: deb\nURIs: https://v.example/apt\nSuites: ./\n", id="a flat archive"),
        pytest.param("Types deb\nURIs\n\n\n  continued\n", id="nonsense"),
    ],
)  # fmt: skip
def test_what_is_not_debian_s_own_archive_is_left_out(stanza: str, tmp_path: Path) -> None:
    assert apt(tmp_path, {"sources.list.d/other.sources": stanza}) == []


def test_fields_may_go_on_in_the_next_line_and_comments_are_none(tmp_path: Path) -> None:
    found = apt(tmp_path, {"sources.list.d/a.sources": (
        "Types: deb\nURIs: http://one.example/debian\n# between\n http://two.example/debian\nSuites: bookworm\n"
        "Components: main\n"
    )})  # fmt: skip
    assert "URIs: http://one.example/debian http://two.example/debian\n" in found[0]


def test_a_machine_that_is_no_debian_says_what_to_set(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=ubuntu\nVERSION_CODENAME=noble\nPRETTY_NAME="Ubuntu 24.04 LTS"\n')
    with pytest.raises(PipelineError, match=r"Ubuntu 24\.04 LTS") as caught:
        machine._debian_release(release)
    assert "SEATRIAL_APT_SOURCES" in caught.value.hint
    with pytest.raises(PipelineError):
        machine._debian_release(tmp_path / "absent")


def test_a_debian_without_its_own_sources_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_debian_release", lambda _: "no-such-release")
    with pytest.raises(PipelineError, match="no-such-release") as caught:
        machine.secret("apt", tmp_path)
    assert "SEATRIAL_APT_SOURCES" in caught.value.hint


@pytest.mark.real
def test_apt_reads_what_this_machine_hands_out(tmp_path: Path) -> None:
    try:
        sources = machine.secret("apt", tmp_path)
    except PipelineError as error:
        pytest.skip(f"this machine has no Debian sources to hand out: {error.what}")
    named = sources.rename(tmp_path / "machine.sources")
    listed = subprocess.run(
        ["apt-get", "update", "--print-uris", f"-oDir::Etc::sourcelist={named}", "-oDir::Etc::sourceparts=-",
         f"-oDir::State::Lists={tmp_path}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    release = machine._debian_release(Path("/etc/os-release"))
    suites = re.findall(r"/dists/(.+)/InRelease'", listed.stdout)
    assert release in suites
    assert all(suite.startswith(release) for suite in suites)
    assert listed.stderr == ""


def test_pip_itself_reads_what_it_is_handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://a.example/simple https://b.example/simple")
    written = machine.secret("pip", tmp_path)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name)
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True,
        env={**os.environ, "PIP_CONFIG_FILE": str(written), "HOME": str(tmp_path)},
    ).stdout  # fmt: skip
    assert "index-url='https://mirror.example/simple'" in listed
    assert "https://a.example/simple\\nhttps://b.example/simple" in listed
