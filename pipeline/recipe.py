"""image.yaml in, Recipe out: what to build and how to tell that it works. Speaks to: nothing.

Names are CI's and Kubernetes' own. `Recipe` also knows its folder, so that relative paths mean what they say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from pipeline import settings, yamlfile
from pipeline.errors import BadFile
from pipeline.yamlfile import Bytes, Growth, Seconds, Strict, Text


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("must stay below the image's folder: no leading / and no ..")
    return path


Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=100)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
Relative = Annotated[str, AfterValidator(_inside), Field(min_length=1, description="a path below the image's folder")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Port = Annotated[int, Field(ge=1, le=65535)]


yamlfile.PATTERNS |= {
    r"^[a-z0-9]+([._-][a-z0-9]+)*$": "must be lower case letters, digits, and single . _ - between them",
    r"^[a-z0-9.:_/-]+$": "must be lower case: letters, digits and . : _ / -",
    r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$": "must be a tag: letters, digits, . _ -, at most 128",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "must be a variable's name: letters, digits and _",
    r"^[a-zA-Z0-9._-]+$": "must be letters, digits and . _ -",
}


class Secret(Strict):
    """A build secret: `RUN --mount=type=secret,id=…` sees it, no layer does. Exactly one source."""

    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$")]
    env: Key | None = None
    file: str | None = None
    machine: Literal["ca", "pip", "apt"] | None = Field(
        default=None, description="this machine's own CA bundle, pip configuration or package sources"
    )
    required: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> Secret:
        if sum(source is not None for source in (self.env, self.file, self.machine)) != 1:
            raise ValueError("give exactly one of env, file, machine")
        return self


class Prepare(Strict):
    """A step before the build that makes files. Either a stage of the Dockerfile (`target`) or a program (`run`).

    It runs again when its inputs change, when an output is gone, or when it is older than `fresh_for`.
    """

    name: str
    target: str | None = Field(
        default=None, description="build this stage and copy its files to the first output's folder"
    )
    run: list[str] | None = Field(default=None, description="an argv, never a shell line; runs in the image's folder")
    needs: list[str] = Field(default_factory=list, description="programs, any one of which `run` can work with")
    inputs: list[Relative] = Field(default_factory=list)
    outputs: Annotated[list[Relative], Field(min_length=1)]
    fresh_for: Seconds | None = None
    otherwise: dict[Key, Text] | None = Field(
        default=None, description="build_args that stand in when none of `needs` is installed"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Prepare:
        if (self.target is None) == (self.run is None):
            raise ValueError("give exactly one of target, run")
        return self


class HttpGet(Strict):
    """Kubernetes' httpGet: any status from 200 to 399 passes."""

    path: str = "/"
    port: Port
    http_headers: dict[str, Text] = Field(default_factory=dict, alias="httpHeaders")


class TcpSocket(Strict):
    """Kubernetes' tcpSocket: passes when the port accepts."""

    port: Port


class Exec(Strict):
    """Kubernetes' exec: an argv inside the container; exit 0 passes."""

    command: Annotated[list[str], Field(min_length=1)]


class Expect(Strict):
    """What an answer must look like. `body` is a subset: keys that it does not name may be anything."""

    status: int = 200
    body: Any = None
    contains: str | None = None


class Request(Strict):
    """A request with an expectation, where a status alone says too little."""

    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "GET"
    path: str = "/"
    port: Port
    headers: dict[str, Text] = Field(default_factory=dict)
    json_body: Any = Field(default=None, alias="json")
    file: Relative | None = Field(default=None, description="send this file's bytes as the body")
    expect: Expect = Expect()


class Probe(Strict):
    """One question to a running container. Exactly one of exec, httpGet, tcpSocket, request."""

    name: str
    exec: Exec | None = None
    http_get: HttpGet | None = Field(default=None, alias="httpGet")
    tcp_socket: TcpSocket | None = Field(default=None, alias="tcpSocket")
    request: Request | None = None
    timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _one_kind(self) -> Probe:
        kinds = (self.exec, self.http_get, self.tcp_socket, self.request)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of exec, httpGet, tcpSocket, request")
        return self

    @property
    def port(self) -> int | None:
        """The container port that it talks to."""
        kind = self.http_get or self.tcp_socket or self.request
        return kind.port if kind else None


class SmokeRecipe(Strict):
    """How to run the image and how to tell that it works. Hardened unless said otherwise."""

    command: list[str] | None = Field(default=None, description="instead of the image's own command")
    init: bool = Field(default=False, description="run the engine's init as process 1")
    env: dict[Key, Text] = Field(default_factory=dict)
    env_from_host: list[Key] = Field(default_factory=list, description="variables passed through, never recorded")
    gpu: Literal["auto", "required", "none"] = "none"
    shm_size: Bytes | None = None
    memory: Bytes = 2 * 2**30
    pids: int = 512
    read_only: bool = True
    tmpfs: list[str] = Field(default_factory=lambda: ["/tmp"])
    volumes: list[str] = Field(default_factory=list, description="./model:/model:ro; relative to the image's folder")
    readiness: Probe | None = Field(
        default=None, description="asked again and again until it passes; default: the container runs"
    )
    ready_within: Seconds = 60.0
    stop_within: Seconds = 10.0
    probes: list[Probe] = Field(default_factory=list)


class Budget(Strict):
    """Limits of this image, on top of its profile's."""

    bytes: Bytes | None = None
    compressed_bytes: Bytes | None = None
    wasted_bytes: Bytes | None = None
    growth: Growth | None = None
    ready_within: Seconds | None = None


class Fleet(Strict):
    """The machines it must start on: drivers (`535.104.05` or `535`) and compute capabilities (`8.0`)."""

    drivers: list[Text] = Field(default_factory=list)
    compute_capabilities: list[Text] = Field(default_factory=list)


class Requires(Strict):
    """What this image cannot be released without; where it is missing the release is skipped, with the reason."""

    registries: list[str] = Field(default_factory=list, description="hosts that must answer, like docker.io")


class Variant(Strict):
    """A row of the matrix: the same Dockerfile with other build arguments, released as `image-variant`."""

    name: Name
    build_args: dict[Key, Text] = Field(default_factory=dict)
    tags: list[Tag] = Field(default_factory=list)


class Recipe(Strict):
    """One image.yaml."""

    name: Name
    repository: Annotated[str, Field(pattern=r"^[a-z0-9.:_/-]+$")]
    tags: list[Tag] = Field(default_factory=lambda: ["latest"])
    dockerfile: Relative = "Dockerfile"
    context: Relative = "."
    target: str | None = None
    platforms: Annotated[list[str], Field(max_length=1)] = Field(
        default_factory=list,
        description="one platform; default: this machine's. Each platform needs its own proof",
    )
    build_args: dict[Key, Text] = Field(default_factory=dict)
    secrets: list[Secret] = Field(default_factory=list)
    labels: dict[str, Text] = Field(default_factory=dict)
    compression: Literal["zstd", "gzip"] = "zstd"
    build_timeout: Seconds = 3600.0
    profile: str | None = None
    variants: list[Variant] = Field(default_factory=list)
    fleet: Fleet = Fleet()
    prepare: list[Prepare] = Field(default_factory=list)
    requires: Requires = Requires()
    smoke: SmokeRecipe = SmokeRecipe()
    budget: Budget = Budget()

    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """Where image.yaml lies."""
        return self._folder

    @property
    def dockerfile_path(self) -> Path:
        """The Dockerfile."""
        return self._folder / self.dockerfile

    @property
    def full_repository(self) -> str:
        """The repository with its registry: one without a host goes to `settings.registry()`."""
        host, slash, _ = self.repository.partition("/")
        if slash and ("." in host or ":" in host or host == "localhost"):
            return self.repository
        return f"{settings.registry()}/{self.repository}"

    def variant(self, row: Variant) -> Recipe:
        """This recipe with one row of its matrix applied."""
        tags = row.tags or [f"{tag}-{row.name}" for tag in self.tags]
        changes = {"name": f"{self.name}-{row.name}", "variants": [], "tags": tags,
                   "build_args": {**self.build_args, **row.build_args}}  # fmt: skip
        return self.model_copy(update=changes)


def read(path: Path) -> Recipe:
    """Return the recipe in an image.yaml, or in the folder that holds one. Raises BadFile."""
    path = path / "image.yaml" if path.is_dir() else path
    recipe = yamlfile.read(path, Recipe)
    recipe._folder = path.parent.resolve()
    if not recipe.dockerfile_path.is_file():
        raise BadFile(f"the Dockerfile that it names is missing: {recipe.dockerfile_path}",
                      file=path, hint="create it, or set `dockerfile:`")  # fmt: skip
    return recipe
