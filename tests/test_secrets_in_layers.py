"""A machine behind its own CA and mirror builds too, and no layer, record or provenance holds any of it."""

import json
import subprocess
import tarfile

import pytest
import zstandard

from pipeline import layout
from pipeline.build import build
from pipeline.recipe import Recipe
from pipeline.workspace import parsed

pytestmark = pytest.mark.real
READER = r"""
#include <fcntl.h>
#include <unistd.h>
int main(void) {
    char byte;
    const char *names[] = {"/run/secrets/ca", "/run/secrets/pip", "/run/secrets/apt", "/run/secrets/token"};
    for (int i = 0; i < 4; i++) {
        int file = open(names[i], O_RDONLY);
        if (file < 0 || read(file, &byte, 1) != 1) return 10 + i;
    }
    int out = open("/made", O_CREAT | O_WRONLY, 0644);
    return write(out, "made\n", 5) == 5 ? 0 : 1;
}
"""
PEM = "-----BEGIN CERTIFICATE-----\nMIIBCANARYCAcanarycanarycanary==\n-----END CERTIFICATE-----\n"
CANARIES = ("CANARYCA", "canary-index", "canary-password", "canary-mirror", "canary-token")


@pytest.fixture
def image(tmp_path, monkeypatch):
    folder = tmp_path / "image"
    folder.mkdir()
    (tmp_path / "reader.c").write_text(READER)
    subprocess.run(["gcc", "-static", "-Os", "-o", str(folder / "reader"), str(tmp_path / "reader.c")], check=True)
    mounts = " ".join(f"--mount=type=secret,id={name}" for name in ("ca", "pip", "apt", "token"))
    (folder / "Dockerfile").write_text(f'FROM scratch\nCOPY reader /\nRUN {mounts} ["/reader"]\n')
    (tmp_path / "ca.pem").write_text(PEM)
    (tmp_path / "machine.sources").write_text(
        "Types: deb\nURIs: http://canary-mirror.invalid/debian\nSuites: bookworm\n"
    )
    for name in ("REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:canary-password@canary-index.invalid/simple")
    monkeypatch.setenv("SEATRIAL_APT_SOURCES", str(tmp_path / "machine.sources"))
    monkeypatch.setenv("CANARY_TOKEN", "canary-token-value")
    secrets = [{"id": name, "machine": name} for name in ("ca", "pip", "apt")] + [
        {"id": "token", "env": "CANARY_TOKEN"}
    ]
    recipe = Recipe.model_validate({"name": "canary", "repository": "seatrial-test/canary", "secrets": secrets})
    recipe._folder = folder
    return recipe


def test_the_build_sees_the_secrets_and_nothing_that_ships_does(image, caplog):
    caplog.set_level("INFO", logger="seatrial")
    built = build(image, parsed(image, image.folder), {}, fresh=True)
    told = [json.dumps(built.provenance), str(built), caplog.text]
    with layout.opened(built.image.local, built.image.digest) as contents:
        told.append(json.dumps(contents.config))
        names = []
        for digest, *_ in contents.layers:
            with zstandard.ZstdDecompressor().stream_reader(contents.blob(digest).open("rb")) as plain:
                content = plain.read()
            told.append(content.decode("latin-1"))
            with tarfile.open(fileobj=__import__("io").BytesIO(content)) as tar:
                names += tar.getnames()
    subprocess.run(["docker", "image", "rm", "--force", built.image.local], capture_output=True, check=False)
    assert "made" in names  # the instruction ran, so it had read every secret
    assert [canary for canary in CANARIES for text in told if canary in text] == []


def test_a_secret_that_is_not_there_is_an_error_unless_it_may_be_absent(image, monkeypatch):
    monkeypatch.delenv("CANARY_TOKEN")
    with pytest.raises(Exception, match="the variable CANARY_TOKEN is not set"):
        build(image, parsed(image, image.folder), {})
