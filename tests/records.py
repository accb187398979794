"""Records for tests: one that passed, one that failed, one with a skipped scan and a stand-in GPU, one unbuilt."""

from __future__ import annotations

import dataclasses

from pipeline.model import (
    Base,
    Build,
    BuildStep,
    Database,
    Finding,
    Flaw,
    Gpu,
    Image,
    Layer,
    Lint,
    Measurement,
    Outcome,
    Package,
    PolicyStamp,
    Preparation,
    Pushed,
    Reason,
    Record,
    Scan,
    Scanner,
    Secret,
    Severity,
    Skipped,
    Smoke,
    Tool,
    Totals,
    Verdict,
    Waste,
)
from pipeline.model.libraries import Code, Copy, Kernels, Libraries, Need, TooOld, Twice, Weights
from pipeline.model.shares import Share, Shares
from pipeline.model.wire import Limits, PushedAgain, Split, Wire, WireFinding
from pipeline.wire import blobs, pull

DIGEST = "sha256:" + "4f1c9a0be2d75836" * 4
BASE_DIGEST = "sha256:" + "a3b04e6d91c8f257" * 4
DOCKERFILE = "dockerfiles/fastapi-gpu/Dockerfile"
IMAGE = Image(
    name="fastapi-gpu",
    repository="127.0.0.1:5000/seatrial/fastapi-gpu",
    digest=DIGEST,
    local="seatrial/fastapi-gpu:release",
)


def sha(seed: int) -> str:
    """A digest that looks like one and is the same in every run."""
    return "sha256:" + f"{seed * 0x9E3779B97F4A7C15 % 2**64:016x}" * 4


LAYERS = (
    ("COPY root/ /", None, "base", 117_284_113, 41_920_377, 6_204),
    ("RUN ldconfig && rm -f /var/cache/ldconfig/aux-cache", None, "base", 38_112, 9_871, 3),
    ("COPY --from=unpack /cuda/ /usr/local/cuda-12.8/", None, "base", 1_873_405_216, 1_124_880_902, 47),
    ("ENV NVIDIA_VISIBLE_DEVICES=all", None, "base", 0, 32, 0),
    ("RUN --mount=type=secret,id=apt apt-get update && apt-get install -y --no-install-recommends python3 libgomp1 "
     "&& rm -rf /var/lib/apt/lists/*", 31, "own", 38_504_209, 12_877_145, 1_893),
    ("COPY --from=venv /opt/venv /opt/venv", 36, "own", 421_880_634, 139_002_518, 5_127),
    ("COPY app/ /app/", 38, "own", 18_422, 5_120, 9),
)  # fmt: skip

LINT = Lint(
    files=(DOCKERFILE,),
    findings=(
        Finding(
            rule="unpinned-base", severity=Severity.WARNING, message="debian:bookworm-slim can move", file=DOCKERFILE,
            hint="append the digest", line=12, end_line=12, column=6, stage="published",
            docs="policies/unpinned_base.md", waived="stands in only where no bootstrap tool is installed",
        ),
    ),
)  # fmt: skip

BUILD = Build(
    image=IMAGE,
    config_digest=sha(90),
    base=Base(name="cuda-runtime", digest=BASE_DIGEST),
    labels={
        "org.opencontainers.image.title": "fastapi-gpu",
        "org.opencontainers.image.source": "https://git.example.org/ml/images",
        "org.opencontainers.image.created": "2026-11-20T08:14:03Z",
    },
    created="2026-11-20T08:14:03Z",
    platform="linux/amd64",
    preparations=(
        Preparation(
            name="model", outcome="made", because=None, outputs={".made/model/model.onnx": "b" * 64}, seconds=11.26
        ),
    ),
    steps=(
        BuildStep(name="[venv 1/4] FROM cuda-runtime", dockerfile_line=18, cached=True, seconds=0.0),
        BuildStep(name="[venv 2/4] COPY requirements.txt .", dockerfile_line=20, cached=True, seconds=0.0),
        BuildStep(name="[venv 3/4] RUN python3 -m venv /opt/venv", dockerfile_line=22, cached=False, seconds=8.914),
        BuildStep(name="[final 2/4] RUN apt-get update", dockerfile_line=31, cached=False, seconds=17.302),
        BuildStep(name="[final 3/4] COPY --from=venv /opt/venv", dockerfile_line=36, cached=False, seconds=1.207),
        BuildStep(name="exporting to image", dockerfile_line=None, cached=False, seconds=9.03),
    ),
    seconds=38.47,
    provenance={"buildDefinition": {"buildType": "https://mobyproject.org/buildkit@v1"}},
)

LAYER_VALUES = tuple(
    Layer(
        digest=sha(number), diff_id=sha(number + 40), instruction=text, dockerfile_line=line, origin=origin,
        bytes=size, compressed_bytes=compressed, files=files,
    )
    for number, (text, line, origin, size, compressed, files) in enumerate(LAYERS, start=1)
)  # fmt: skip

_BLOBS = blobs(LAYER_VALUES, [layer.bytes for layer in LAYER_VALUES])
WIRE = Wire(
    pull=pull(_BLOBS, bandwidth=1e9),
    zstd=pull([dataclasses.replace(blob, compression="zstd") for blob in _BLOBS], bandwidth=1e9),
    code_change=PushedAgain(
        dockerfile_line=38, instruction="COPY app /app", compressed_bytes=40_100, of_bytes=1_730_000_000,
        layers=(LAYER_VALUES[-1].digest,),
    ),
    limits=Limits(
        findings=(
            WireFinding(rule="one-layer-dominates", severity=Severity.INFO, message="one layer is 1.12 GB of 1.73 GB",
                        hint="install the large packages in instructions of their own", dockerfile_line=None,
                        digest=LAYER_VALUES[2].digest),
        ),
        note="the largest layer is 1.12 GB: more than these take: a registry behind a proxy (104.9 MB)",
    ),
    splits=(
        Split(digest=LAYER_VALUES[2].digest, dockerfile_line=36, instruction="COPY --from=venv /opt/venv",
              parts=(("torch",), ("nvidia-cublas-cu12", "numpy")), seconds_before=71.0, seconds_after=44.5),
    ),
)  # fmt: skip

LIBRARIES = Libraries(
    files=412, libc="glibc", glibc="2.36", program="/opt/venv/bin/python3.11", starts=True, driver=("libcuda.so.1",),
    not_found=(
        Need(soname="libgomp.so.1", file="/opt/venv/lib/python3.11/site-packages/sklearn/_loss.so", outcome="missing",
             where="", instruction=LAYERS[4][0], dockerfile_line=31),
    ),
    loaded_before=14,
    too_old=(
        TooOld(file="/opt/tool/bin/served", library="libc.so.6", needs="2.38", has="2.36", instruction=LAYERS[4][0],
               dockerfile_line=31),
    ),
    kernels=(
        Kernels(
            file="/opt/venv/lib/python3.11/site-packages/nvidia/cublas/lib/libcublas.so.12", bytes=116_000_000,
            code=(Code(capability="8.0", form="machine code", bytes=30_000_000, runs=True),
                  Code(capability="9.0", form="ptx", bytes=2_000_000, runs=False)),
            unused_bytes=2_000_000, instruction=LAYERS[2][0], dockerfile_line=14,
        ),
    ),
    cuda_twice=(
        Twice(
            library="libcublas.so", bytes=109_000_000, same_content=False,
            copies=(
                Copy(file="/opt/venv/lib/python3.11/site-packages/nvidia/cublas/lib/libcublas.so.12",
                     soname="libcublas.so.12", bytes=116_000_000, brought_by="wheel", origin="own",
                     instruction=LAYERS[2][0], dockerfile_line=14),
                Copy(file="/usr/local/cuda-12.8/targets/x86_64-linux/lib/libcublas.so.12.8.4.1",
                     soname="libcublas.so.12", bytes=109_000_000, brought_by="system", origin="base",
                     instruction=LAYERS[0][0], dockerfile_line=None),
            ),
            hint="the wheels bring their own CUDA: take the base's `base` flavour",
        ),
    ),
    weights=(
        Weights(file="/models/chat.safetensors", format="safetensors", bytes=48_000_000, instruction=LAYERS[4][0],
                dockerfile_line=31),
    ),
    complete=True,
)  # fmt: skip

MEASURE = Measurement(
    image=IMAGE.name,
    digest=DIGEST,
    source="containerd blobs",
    verified=True,
    layers=LAYER_VALUES,
    totals=Totals(
        bytes=sum(layer.bytes for layer in LAYER_VALUES),
        compressed_bytes=sum(layer.compressed_bytes for layer in LAYER_VALUES),
        wasted_bytes=4_218_880,
        duplicate_bytes=1_022_114,
        files=sum(layer.files for layer in LAYER_VALUES),
    ),
    waste=(
        Waste(
            cause="deleted", seen=False, bytes=4_103_424, compressed_bytes=1_377_204, layer=sha(1),
            instruction="COPY root/ /", dockerfile_line=None,
            paths=("usr/share/doc/libssl3/changelog.gz", "usr/share/locale/de/coreutils.mo"),
            hint="delete in the layer that brought it: a later layer only hides it",
        ),
        Waste(
            cause="overwritten", seen=False, bytes=115_456, compressed_bytes=38_729, layer=sha(5),
            instruction=LAYERS[4][0], dockerfile_line=31, paths=("var/lib/dpkg/status",),
            hint="write the file once, in its final form",
        ),
    ),
    packages=(
        Package(name="nvidia-cublas-cu12", version="12.8.4.1", kind="python", bytes=873_221_004, layer=sha(3)),
        Package(name="onnxruntime-gpu", version="1.22.0", kind="python", bytes=301_450_772, layer=sha(6)),
        Package(name="libssl3", version="3.0.17-1~deb12u3", kind="deb", bytes=5_972_104, layer=sha(1)),
        Package(name="python3.11-minimal", version="3.11.2-6+deb12u6", kind="deb", bytes=None, layer=sha(5)),
    ),
    shares=Shares(
        folders=(
            Share(name="/", bytes=1_500_000_000, own_bytes=1_380_000_000, files=20_000),
            Share(name="/opt", bytes=1_380_000_000, own_bytes=1_380_000_000, files=16_000),
            Share(name="/opt/venv", bytes=1_380_000_000, own_bytes=1_380_000_000, files=16_000),
            Share(name="/usr", bytes=120_000_000, own_bytes=0, files=4_000),
        ),
        types=(
            Share(name="shared library", bytes=1_200_000_000, own_bytes=1_140_000_000, files=400),
            Share(name="python", bytes=300_000_000, own_bytes=240_000_000, files=19_600),
        ),
        stages=(
            Share(name="wheels", bytes=1_380_000_000, own_bytes=1_380_000_000, files=16_000),
            Share(name="base", bytes=120_000_000, own_bytes=0, files=4_000),
        ),
    ),
    libraries=LIBRARIES,
    wire=WIRE,
    seconds=0.412,
)  # fmt: skip

SCANNER = Scanner(name="trivy", version="0.76.0", sha256="7c" * 32)
LOW_FLAW = Flaw(
    id="CVE-2024-47874", package="starlette", version="0.38.6", fixed_in="0.40.0", severity="low",
    title="A form field without a file name can grow without a limit", layer=sha(6), instruction=LAYERS[5][0],
    dockerfile_line=36, origin="own", waived="no form is parsed by this service (until 2027-01-31, mlp@example.org)",
)  # fmt: skip
SCAN = Scan(
    image=IMAGE.name,
    digest=DIGEST,
    scanner=SCANNER,
    database=Database(
        source="shipped", digest=sha(77), built="2026-11-23T00:00:00Z", advisories=2_664, covers=("Python packages",),
        blind=("debian 12 packages (203)",),
    ),
    vulnerabilities=None,
    flaws=(LOW_FLAW,),
    secrets=(),
    packages=241,
    sbom={"bomFormat": "CycloneDX", "specVersion": "1.7", "components": [{"name": "starlette"}]},
    seconds=1.93,
)  # fmt: skip

SMOKE = Smoke(
    image=IMAGE.name,
    digest=DIGEST,
    gpu=Gpu(requested="auto", visible=2, driver="570.124.06", simulated=False),
    ready_after_s=2.318,
    stopped_after_s=0.274,
    exit_code=0,
    outcomes=(
        Outcome(probe="live", outcome="passed", because=None, saw="200 {\"status\": \"ok\"}", seconds=0.004),
        Outcome(probe="predicts a seven", outcome="passed", because=None, seconds=0.011,
                saw='200 {"digit": 7, "provider": "CUDAExecutionProvider"}'),
        Outcome(probe="refuses without key", outcome="passed", because=None, saw="401", seconds=0.003),
    ),
    hardening=("read-only root", "no capabilities", "no new privileges", "512 processes", "2 GB memory"),
    logs="started in 2.1 s, provider CUDAExecutionProvider\nstopping: SIGTERM\n",
    seconds=4.08,
)  # fmt: skip

WAIVED = Reason(
    stage="scan", rule="known-flaw", severity=Severity.WARNING, message="starlette 0.38.6 has CVE-2024-47874 (low)",
    hint="update to 0.40.0", file=DOCKERFILE, line=36, waived=LOW_FLAW.waived,
)  # fmt: skip
BLIND = Reason(
    stage="scan", rule="blind-database", severity=Severity.WARNING,
    message="the database does not know debian 12 packages (203)",
    hint="name a database that does in policy.yaml, scan.databases", docs="https://example.org/rules/blind-database",
)  # fmt: skip

PASSED = Record(
    image=IMAGE.name,
    digest=DIGEST,
    started="2026-11-23T05:41:07Z",
    host={"name": "build-7", "kernel": "6.1.0-28-amd64", "engine": "Docker 28.5.2, containerd image store"},
    tools=(
        Tool(name="docker", version="28.5.2"),
        Tool(name="buildx", version="0.29.1"),
        Tool(name="trivy", version="0.76.0", sha256="7c" * 32),
        Tool(name="cosign", version="3.1.1", sha256="e1" * 32),
    ),
    policy=PolicyStamp(file="policy.yaml", digest=sha(5), profile="gpu-serving"),
    lint=LINT,
    build=BUILD,
    measure=MEASURE,
    scan=SCAN,
    smoke=SMOKE,
    verdict=Verdict(outcome="passed", reasons=(WAIVED, BLIND)),
    pushed=Pushed(
        reference=IMAGE.reference, digest=DIGEST, tags=("1.4.0", "latest"), signatures=1,
        attestations=("https://cyclonedx.org/bom", "https://slsa.dev/provenance/v0.2"),
        public_key="sha256:" + "d4" * 32, seconds=2.71,
    ),
    seconds={"lint": 0.021, "build": 38.47, "measure": 0.412, "scan": 1.93, "smoke": 4.08, "verdict": 0.002,
             "push": 2.71},
)  # fmt: skip

HIGH_FLAW = Flaw(
    id="CVE-2023-50447", package="pillow", version="9.0.0", fixed_in="10.2.0", severity="high",
    title="ImageMath.eval runs code that its environment parameter names", layer=sha(6), instruction=LAYERS[5][0],
    dockerfile_line=36, origin="own",
)  # fmt: skip
FAILED = dataclasses.replace(
    PASSED,
    lint=Lint(
        files=(DOCKERFILE,),
        findings=(
            Finding(
                rule="secret-in-env", severity=Severity.ERROR,
                message="ENV HF_TOKEN puts a credential into the image",
                hint="mount it: RUN --mount=type=secret,id=hf_token,env=HF_TOKEN …", file=DOCKERFILE, line=33,
                end_line=33, column=5, stage="final", docs="policies/secret_in_env.md", fixable=False,
            ),
            *LINT.findings,
        ),
    ),
    scan=dataclasses.replace(
        SCAN,
        flaws=(LOW_FLAW, HIGH_FLAW),
        secrets=(
            Secret(
                rule="hugging-face-access-token", title="Hugging Face access token", severity="critical",
                path="(image config) ENV", line=None, layer=None, instruction="ENV HF_TOKEN=…", dockerfile_line=33,
            ),
        ),
    ),
    smoke=dataclasses.replace(
        SMOKE,
        gpu=Gpu(requested="auto", visible=0, driver=None, simulated=False),
        outcomes=(
            *SMOKE.outcomes[:1],
            Outcome(probe="predicts a seven", outcome="failed", because="body: digit is 1, expected 7", seconds=0.013,
                    saw='200 {"digit": 1, "provider": "CPUExecutionProvider"}'),
            Outcome(probe="computes on the GPU", outcome="skipped", because="no GPU on this host", saw=None,
                    seconds=None),
        ),
    ),
    verdict=Verdict(
        outcome="failed",
        reasons=(
            BLIND,
            Reason(
                stage="check", rule="secret-in-env", severity=Severity.ERROR, file=DOCKERFILE, line=33,
                message="ENV HF_TOKEN puts a credential into the image", docs="policies/secret_in_env.md",
                hint="mount it: RUN --mount=type=secret,id=hf_token,env=HF_TOKEN …",
            ),
            Reason(
                stage="scan", rule="known-flaw", severity=Severity.ERROR, file=DOCKERFILE, line=36,
                message="pillow 9.0.0 has CVE-2023-50447 (high): ImageMath.eval runs code that its environment "
                "parameter names", hint="update pillow to 10.2.0 in requirements.txt",
            ),
            Reason(
                stage="smoke", rule="failed-probe", severity=Severity.ERROR,
                message="`predicts a seven` failed: body: digit is 1, expected 7",
                hint="the container's last lines are in the report",
            ),
            WAIVED,
        ),
    ),
    pushed=None,
    seconds={"lint": 0.019, "build": 38.47, "measure": 0.412, "scan": 1.97, "smoke": 4.31, "verdict": 0.002},
)  # fmt: skip

UNPROVEN = dataclasses.replace(
    PASSED,
    scan=Skipped(because="bubblewrap cannot make namespaces on this host"),
    smoke=dataclasses.replace(
        SMOKE, gpu=Gpu(requested="auto", visible=1, driver="000.00", simulated=True), ready_after_s=None
    ),
    verdict=Verdict(
        outcome="passed",
        reasons=(
            Reason(
                stage="scan", rule="not-scanned", severity=Severity.WARNING, message="the image was not scanned",
                hint="allow user namespaces, or scan on another host",
            ),
            Reason(
                stage="smoke", rule="simulated-gpu", severity=Severity.WARNING,
                message="the GPU was a stand-in", hint="run the smoke test on a host with a GPU",
            ),
        ),
    ),
    pushed=None,
    seconds={},
)  # fmt: skip

UNBUILT = Record(
    image=IMAGE.name,
    digest=None,
    started=PASSED.started,
    host=PASSED.host,
    tools=PASSED.tools[:2],
    policy=PASSED.policy,
    lint=FAILED.lint,
    verdict=Verdict(outcome="failed", reasons=(FAILED.verdict.reasons[1],) if FAILED.verdict else ()),
)

RECORDS = {"passed": PASSED, "failed": FAILED, "unproven": UNPROVEN, "unbuilt": UNBUILT}
