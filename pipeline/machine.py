"""This machine in, build secrets out. Speaks to: pip.

A build needs what the machine itself uses to reach packages: its CA bundle, its pip settings, its apt sources. They
go in as BuildKit secrets: a RUN that mounts one sees a file, and no layer holds it. None of them is ever logged.
"""

from __future__ import annotations

import ast
import configparser
import io
import os
import shlex
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline import aptsources, tools
from pipeline.errors import BadFile, PipelineError, ToolFailed

CA_IN_BUILD = "/run/secrets/ca"  # where `--mount=type=secret,id=ca` puts the bundle
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine
)
# What a build takes over from pip's settings. Anything else (a target folder, a user install) is this machine's own.
PIP_KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "timeout", "retries")
PIP_LOCATIONS = ("index-url", "extra-index-url", "find-links")
DEBIAN_COMPONENTS = ("main", "contrib", "non-free", "non-free-firmware")
DEBIAN_KEYRINGS = "/usr/share/keyrings/debian-archive-"


def secret(kind: Literal["ca", "pip", "apt"], folder: Path) -> Path:
    """Write one secret of this machine into `folder`, readable by its owner only, and return the file.

    `ca`: a PEM bundle. `pip`: a pip.conf whose `cert` is the `ca` secret. `apt`: deb822 sources for a Debian root.
    Raises BadFile when a file that the user named is wrong, PipelineError when the machine has nothing to offer.
    """
    make = {"ca": _ca, "pip": _pip, "apt": _apt}[kind]
    content = make()
    path = folder / kind
    # Made with its mode, never widened for a moment; a leftover from another run is replaced, not followed.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    return path


# --- ca -------------------------------------------------------------------------------------------


def _ca() -> bytes:
    """The first bundle that this machine names; a variable that names a missing file is an error, not a hint."""
    for variable in CA_VARIABLES:
        if os.environ.get(variable):
            path = Path(os.environ[variable])
            return _pem(path, hint=f"correct or unset {variable}")
    default = ssl.get_default_verify_paths().cafile
    for name in (*CA_BUNDLES, *([default] if default else ())):
        if Path(name).is_file():
            return _pem(Path(name), hint="install the ca-certificates package again")
    raise PipelineError("this machine has no CA bundle", hint="install ca-certificates, or set SSL_CERT_FILE")


def _pem(path: Path, *, hint: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(f"the CA bundle cannot be read: {error.strerror}", file=path, hint=hint) from None
    if b"-----BEGIN CERTIFICATE-----" not in content and b"-----BEGIN TRUSTED CERTIFICATE-----" not in content:
        raise BadFile("not a CA bundle: no PEM certificate in it", file=path, hint=hint)
    if b"PRIVATE KEY-----" in content:
        raise BadFile("it holds a private key, and a build would see it", file=path, hint="name certificates only")
    return content


# --- pip ------------------------------------------------------------------------------------------


def _pip() -> bytes:
    """pip's settings, as pip itself resolves them, for a machine that shares no files with this one."""
    settings = _pip_settings()
    for key in PIP_LOCATIONS:
        # What lies on this machine's disk does not exist inside the build.
        places = settings.pop(key, "").split()
        remote = [place for place in places if "://" in place and not place.lower().startswith("file:")]
        if remote:
            settings[key] = "\n".join(remote)
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") and "find-links" not in settings:
        raise PipelineError(
            "pip takes packages from this machine's disk only, which no build can see",
            hint="set PIP_INDEX_URL to an index that builds can reach, and unset no-index",
        )
    config = configparser.RawConfigParser()
    config["global"] = {**settings, "cert": CA_IN_BUILD, "disable-pip-version-check": "true"}
    text = io.StringIO()
    config.write(text)
    return text.getvalue().encode()


def _pip_settings() -> dict[str, str]:
    """pip's own view: files first, then the environment, as pip ranks them. The environment alone without pip."""
    settings: dict[str, str] = {}
    try:
        listed = tools.run([sys.executable, "-m", "pip", "config", "list"], timeout=60)
    except ToolFailed as error:
        if "No module named pip" not in error.stderr:
            raise
        listed = ""  # a venv made without pip: its files cannot be found by pip's rules
    for rank in ("global", "install", "download", ":env:"):
        settings |= _section(listed, rank)
    settings |= {key: os.environ[name] for key in PIP_KEYS
                 if os.environ.get(name := "PIP_" + key.upper().replace("-", "_"))}  # fmt: skip
    return settings


def _section(listed: str, section: str) -> dict[str, str]:
    """One section of `pip config list`: lines like global.index-url='https://…', values as Python writes them."""
    found = {}
    for line in listed.splitlines():
        name, equals, value = line.partition("=")
        key = name.strip().removeprefix(section + ".").replace("_", "-")
        if equals and name.strip().startswith(section + ".") and key in PIP_KEYS:
            try:
                found[key] = str(ast.literal_eval(value.strip()))
            except (ValueError, SyntaxError):
                raise PipelineError(
                    f"`pip config list` gives a value for {key} that is no Python text",
                    hint="`pip config list` shows it; `pip config set` writes it again",
                ) from None
    return found


# --- apt ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """One place that apt takes packages from, in the words of deb822."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: str | None


def _apt() -> bytes:
    """The file that SEATRIAL_APT_SOURCES names, or what this Debian's own release comes from."""
    named = os.environ.get("SEATRIAL_APT_SOURCES")
    if named:
        try:
            content = Path(named).read_bytes()
        except OSError as error:
            hint = "SEATRIAL_APT_SOURCES names a deb822 file (see sources.list(5))"
            raise BadFile(f"cannot be read: {error.strerror}", file=named, hint=hint) from None
        if not any(stanza.get("uris") for stanza in aptsources.stanzas(content.decode(errors="replace"))):
            raise BadFile("no `URIs:` in it", file=named, hint="write it as deb822 (see sources.list(5))")
        return content
    release = _debian_release(Path("/etc/os-release"))
    found = tuple(dict.fromkeys(_own_sources(Path("/etc/apt"), release)))
    if not any(release in source.suites for source in found):
        raise PipelineError(
            f"no apt source of Debian {release} in /etc/apt",
            hint="set SEATRIAL_APT_SOURCES to a deb822 file with the sources that builds should use",
        )
    return "\n".join(_deb822(source) for source in found).encode()


def _debian_release(os_release: Path) -> str:
    """The code name of this Debian. Raises PipelineError on any other system."""
    try:
        words = shlex.split(os_release.read_text(encoding="utf-8"), comments=True)
    except (OSError, ValueError):
        words = []
    facts = dict(word.split("=", 1) for word in words if "=" in word)
    if facts.get("ID") != "debian" or not facts.get("VERSION_CODENAME"):
        raise PipelineError(
            f"this machine is {facts.get('PRETTY_NAME', 'no Debian')}: its apt sources do not fit a Debian image",
            hint="set SEATRIAL_APT_SOURCES to a deb822 file with Debian sources",
        )
    return facts["VERSION_CODENAME"]


def _own_sources(apt: Path, release: str) -> Iterator[_Source]:
    """Debian's own archives of this release: not other suites, not other vendors, nothing from this disk."""
    suites = (release, f"{release}-updates", f"{release}-security", f"{release}/updates")
    for fields in aptsources.entries(apt):
        source = _Source(
            uris=tuple(fields["uris"].split()),
            suites=tuple(fields["suites"].split()),
            components=tuple(fields["components"].split()),
            keyring=fields.get("signed-by", "").strip() or None,
        )
        uris = tuple(uri for uri in source.uris if uri.startswith(("http://", "https://")))
        kept = tuple(suite for suite in source.suites if suite in suites)
        components = tuple(name for name in source.components if name in DEBIAN_COMPONENTS)
        # Another vendor's archive may use Debian's suite names; it is signed by a key of its own.
        debian = source.keyring is None or source.keyring.startswith(DEBIAN_KEYRINGS)
        if uris and kept and components and debian:
            yield _Source(uris=uris, suites=kept, components=components, keyring=source.keyring)


def _deb822(source: _Source) -> str:
    fields = {
        "Types": "deb",
        "URIs": " ".join(source.uris),
        "Suites": " ".join(source.suites),
        "Components": " ".join(source.components),
        "Signed-By": source.keyring,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
