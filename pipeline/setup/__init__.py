"""A bare machine in, one where every stage runs out. Speaks to: apt, dockerd, docker-registry, pip.

`ready` looks and changes nothing, `setup` brings what is missing, `stop` ends what setup started.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pipeline import settings, tools
from pipeline.errors import EngineDown, PipelineError, ToolMissing
from pipeline.setup import daemons, engine, packages, registry, trivy
from pipeline.setup.parts import Part, State, missing, present, wrong

OLDEST_ENGINE = 23
PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)


def ready() -> tuple[Part, ...]:
    """What stands between this machine and a release: nothing, when the tuple is empty. Quick; changes nothing."""
    return tuple(part for part in look() if part.state is not State.OK)


def look() -> tuple[Part, ...]:
    """Every part that setup can bring, without asking each for its version; `doctor` does that."""
    looks: tuple[Callable[[], Part], ...] = (
        look_at_engine,
        look_at_registry,
        lambda: _program("docker client", ("docker",), "build, smoke, push"),
        lambda: _plugin("buildx", "build"),
        lambda: _plugin("compose", "smoke of a compose stack"),
        lambda: _program("cosign", ("cosign",), "sign, verify"),
        lambda: _program("oras", ("oras",), "push"),
        lambda: _program("bubblewrap", ("bwrap",), "scan without network"),
        lambda: _program("bootstrap", ("mmdebstrap", "debootstrap"), "golden bases"),
        _look_at_trivy,
    )
    with ThreadPoolExecutor(len(looks)) as pool:
        return tuple(pool.map(lambda one: one(), looks))


def setup(*, ask: Callable[[str], bool], say: Callable[[str], None], tests: bool = False) -> tuple[Part, ...]:
    """Bring what is missing and return every part as it is afterwards. Asks before it installs system packages.

    With `tests` also what only this repository's own tests use: a browser and a C compiler.

    When the answer is no, or root cannot be had, the commands are said and the rest is still done. Raises
    PipelineError on a system whose packages we do not know, EngineDown and RegistryFailed when a start fails.
    """
    with _alone(say):
        before = look()
        names = (*_to_install(before), *(missing_for_tests() if tests else ()))
        if names:
            _install(names, ask, say)
        if look_at_engine().state is State.MISSING and tools.find("dockerd") is not None:
            say(f"engine {engine.start(say)} is ready")
        if look_at_registry().state is State.MISSING and registry.is_loopback() and registry.program():
            registry.start(say)
        if _look_at_trivy().state is State.MISSING and "SEATRIAL_TRIVY" not in os.environ:
            try:
                trivy.install(say)
            except PipelineError as error:  # without a scanner everything but scan works, and scan says so
                say(f"Trivy could not be had: {error}")
        return look()


def missing_for_tests() -> tuple[str, ...]:
    """What the tests of this repository use and this machine lacks, by part."""
    looks = {"browser": ("chromium", "chromium-browser", "google-chrome"), "compiler": ("gcc",)}
    return tuple(part for part, programs in looks.items() if not any(map(tools.find, programs)))


def stop() -> tuple[str, ...]:
    """End the engine and the registry, each only if setup started it; return the names of those that ended."""
    ends = {"registry": registry.stop, "engine": engine.stop}
    return tuple(name for name, end in ends.items() if end())


def look_at_engine() -> Part:
    """Whether an engine answers and is new enough."""
    needed_by = "build, smoke"
    try:
        version = engine.version()
    except ToolMissing:
        return missing("engine", needed_by, "run `setup`: without a docker client no engine can be asked")
    except EngineDown as error:
        denied = "group" in error.what
        if denied:
            return wrong("engine", None, needed_by, error.hint)
        return missing("engine", needed_by, f"{error.hint} ({error.what})")
    if major(version) < OLDEST_ENGINE:
        return wrong("engine", version, needed_by, f"Docker Engine {OLDEST_ENGINE} or newer is needed; upgrade it")
    return present("engine", version, needed_by)


def look_at_registry() -> Part:
    """Whether a registry answers at `settings.registry()`."""
    where, needed_by = settings.registry(), "push, sign"
    match registry.look():
        case registry.Answer.REGISTRY:
            return present("registry", where, needed_by)
        case registry.Answer.LOGIN:
            return present("registry", f"{where} (asks for a login)", needed_by, f"docker login {where}")
        case registry.Answer.OTHER:
            advice = "end what listens there, or set SEATRIAL_REGISTRY to another port"
            return wrong("registry", f"{where} is no registry", needed_by, advice)
        case registry.Answer.NOTHING:
            advice = (
                "run `setup`" if registry.is_loopback() else f"nothing answers at {where}: check SEATRIAL_REGISTRY"
            )
            return missing("registry", needed_by, advice)


def plugin(name: str) -> Path | None:
    """Where the docker client would find a plugin, or None."""
    places = (Path(folder).expanduser() / f"docker-{name}" for folder in PLUGIN_FOLDERS)
    return next((place for place in places if place.is_file()), None)


def major(version: str) -> int:
    """The first number of a version; 0 when it does not begin with one."""
    first = version.partition(".")[0]
    return int(first) if first.isdecimal() else 0


def _program(name: str, programs: tuple[str, ...], needed_by: str) -> Part:
    found = next((path for program in programs if (path := tools.find(program))), None)
    return present(name, str(found), needed_by) if found else missing(name, needed_by)


def _plugin(name: str, needed_by: str) -> Part:
    found = plugin(name)
    return present(name, str(found), needed_by) if found else missing(name, needed_by)


def _look_at_trivy() -> Part:
    return present("Trivy", "there", "scan") if trivy.here() else missing("Trivy", "scan")


def _to_install(parts: tuple[Part, ...]) -> tuple[str, ...]:
    """The names of the parts that packages can bring. A daemon that is installed and merely down needs none."""
    names = [part.name for part in parts if part.state is State.MISSING and part.name in packages.DEBIAN]
    if "engine" in names and not engine.local():  # the client looks elsewhere: an engine here would help nobody
        names.remove("engine")
    if "engine" in names and tools.find("iptables") is None:
        names.append("iptables")
    if "engine" in names and tools.find("dockerd") is not None:
        names.remove("engine")
    if "registry" in names and (registry.program() is not None or not registry.is_loopback()):
        names.remove("registry")
    return tuple(names)


def _install(names: tuple[str, ...], ask: Callable[[str], bool], say: Callable[[str], None]) -> None:
    todo = packages.plan(names, packages.release())
    if not daemons.may_be_root():
        say(packages.refusal(todo))
    elif ask(_question(todo)):
        packages.install(todo, say)
    else:
        say(f"not installed; as root, these lines do the same:\n{todo.commands()}")


def _question(todo: packages.Plan) -> str:
    files = f", after writing {', '.join(str(path) for path, _ in todo.files)}" if todo.files else ""
    return f"install {' '.join(todo.packages)} with apt{files}?"


@contextmanager
def _alone(say: Callable[[str], None]) -> Iterator[None]:
    """Only one setup at a time; a second one waits and then finds little left to do."""
    with (settings.state() / "setup.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another setup is under way; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
